// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: who can make a dma-buf. udmabuf, the heaps and graphics drivers are tried with
 * one page, which is given back at once. CUDA and HIP would load modules and make nodes at that: of
 * them it is looked whether what they need is there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exporter.h"
#include "library.h"
#include "probe_look.h"

#define UDMABUF		"/dev/udmabuf"
#define HEAPS		"/dev/dma_heap"
#define DRM		"/sys/class/drm"
#define NVIDIA		"/proc/driver/nvidia/version"
#define NVIDIA_NODE	"/dev/nvidia"
#define KFD		"/dev/kfd"

static void done(struct probe *p, const struct probe_row *row)
{
	probe_needed(p, PROBE_NEED_EXPORTER, row);
	probe_write(p, row);
}

/* The node may be used: does it give memory? Return: 0, or the exporter's error. */
static int try_page(struct probe_row *row, const struct exporter *exporter, struct want want)
{
	struct buffer buf = BUFFER_NONE;
	struct why why;
	int ret;

	want.size = sysconf(_SC_PAGESIZE);
	ret = exporter->alloc(&buf, &want, &why);
	if (ret)
		probe_says(row, PROBE_NO, "%s", why.text);
	else
		exporter->free(&buf);
	return ret;
}

/* There is no module of it that could be loaded. */
static void find_udmabuf(struct probe_row *row)
{
	unsigned int major, minor;
	char number[32];

	look_read(number, sizeof(number), "/sys/class/misc/udmabuf/dev");
	if (sscanf(number, "%u:%u", &major, &minor) == 2)
		probe_try(row, "mknod " UDMABUF " c %u %u; give a container the node", major,
			  minor);
	else
		probe_try(row, "boot a kernel with CONFIG_UDMABUF=y");
}

static void probe_udmabuf(struct probe *p)
{
	struct probe_row row;

	probe_row(&row, "udmabuf");
	if (look_node(&row, UDMABUF, R_OK | W_OK))
		try_page(&row, &exporter_udmabuf, (struct want){ 0 });
	else if (access(UDMABUF, F_OK))
		find_udmabuf(&row);
	done(p, &row);
}

static void probe_heaps(struct probe *p)
{
	struct dirent **names;
	struct probe_row row;
	char path[PROBE_PATH];
	int nr = look_list(HEAPS, &names);

	for (int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), HEAPS "/%s", names[i]->d_name);
		probe_row(&row, "dma_heap/%s", names[i]->d_name);
		if (look_node(&row, path, R_OK))
			try_page(&row, &exporter_dma_heap,
				 (struct want){ .heap = names[i]->d_name });
		done(p, &row);
	}
	look_list_free(names, nr);
	if (nr)
		return;
	probe_row(&row, "dma_heap");
	probe_says(&row, PROBE_NO, HEAPS " has no heap");
	probe_try(&row, "boot a kernel with CONFIG_DMABUF_HEAPS_SYSTEM=y");
	done(p, &row);
}

static bool is_card(const char *name)
{
	return !strncmp(name, "card", 4) && !strchr(name, '-');
}

static bool is_render(const char *name)
{
	return !strncmp(name, "renderD", 7);
}

#ifdef CONFIG_LIBDRM
/* The other node of a render node's device. */
static void find_card(char *card, size_t len, const char *render)
{
	char folder[PROBE_PATH];
	struct dirent **names;
	int nr;

	snprintf(folder, sizeof(folder), DRM "/%s/device/drm", render);
	nr = look_list(folder, &names);
	for (int i = 0; i < nr; i++) {
		if (is_card(names[i]->d_name))
			snprintf(card, len, "%s", names[i]->d_name);
	}
	look_list_free(names, nr);
}

static void try_drm(struct probe_row *row, const char *name, const char *path)
{
	int ret = try_page(row, &exporter_drm, (struct want){ .drm_device = path });
	char card[PROBE_NAME] = "", number[PROBE_NAME];
	unsigned int major, minor;

	if (!ret)
		return;
	look_read(number, sizeof(number), DRM "/%s/dev", name);
	if (ret == -EOPNOTSUPP && is_render(name))
		find_card(card, sizeof(card), name);
	if (*card)
		probe_try(row, "drm_device=/dev/dri/%s, which is the same device", card);
	else if (ret == -ENODEV && sscanf(number, "%u:%u", &major, &minor) == 2)
		probe_try(row, "rm -f %s && mknod %s c %u %u", path, path, major, minor);
	else
		probe_try(row, "take another exporter, such as udmabuf");
}
#else
static void try_drm(struct probe_row *row, const char *name, const char *path)
{
	(void)name;
	probe_says(row, PROBE_NO, "%s: the engine was built without libdrm", path);
	probe_try(row, "apt-get install libdrm-dev, ./configure and make");
}
#endif

static void probe_drm_node(struct probe *p, const char *name)
{
	char path[PROBE_PATH], device[PROBE_NAME], driver[PROBE_NAME];
	struct probe_row row;

	snprintf(path, sizeof(path), "/dev/dri/%s", name);
	probe_row(&row, "drm/%s", name);
	look_link(device, sizeof(device), DRM "/%s/device", name);
	look_link(driver, sizeof(driver), DRM "/%s/device/driver", name);
	/* a device of software only, such as vgem, has a driver for all such devices, or none */
	probe_text(&row, "driver", !*driver || !strcmp(driver, "faux_driver") ? device : driver);
	probe_text(&row, "device", device);
	if (look_node(&row, path, R_OK | W_OK))
		try_drm(&row, name, path);
	else if (access(path, F_OK))
		probe_try(&row, "give the container this node, where this is one; else start udev");
	done(p, &row);
}

static void probe_drm(struct probe *p)
{
	struct dirent **names;
	struct probe_row row;
	unsigned int found = 0;
	int nr = look_list(DRM, &names);

	for (int i = 0; i < nr; i++) {
		const char *name = names[i]->d_name;

		/* the others are a card's connectors, and a file */
		if (!is_card(name) && !is_render(name))
			continue;
		probe_drm_node(p, name);
		found++;
	}
	look_list_free(names, nr);
	if (found)
		return;
	probe_row(&row, "drm");
	probe_says(&row, PROBE_NO, DRM " has no card");
	probe_try(&row, "load the GPU's driver; without a GPU: modprobe vgem");
	done(p, &row);
}

/* Return: true if what the exporter loads is there; else the row says so. */
static bool have_library(struct probe_row *row, const struct library *library)
{
	struct why why;

	if (!library_look(library, &why))
		return true;
	probe_says(row, PROBE_NO, "%s", why.text);
	probe_try(row, "%s", library->remedy);
	return false;
}

/* The nodes of NVIDIA's driver that CUDA opens: the driver's own, and one GPU's. */
static void look_nvidia(struct probe_row *row)
{
	const char *path = NVIDIA_NODE "ctl";
	struct dirent **names;
	char gpu[PROBE_PATH];
	int nr;

	snprintf(gpu, sizeof(gpu), NVIDIA_NODE "0");
	nr = look_list("/dev", &names);
	for (int i = 0; i < nr; i++) {
		const char *name = names[i]->d_name;
		unsigned int number;

		if (sscanf(name, "nvidia%u", &number) != 1)
			continue;
		snprintf(gpu, sizeof(gpu), "/dev/%s", name);
		if (!access(gpu, R_OK | W_OK))
			break;
	}
	look_list_free(names, nr);
	if (!access(path, R_OK | W_OK))
		path = gpu;
	if (!look_node(row, path, R_OK | W_OK) && access(path, F_OK))
		probe_try(row, "nvidia-smi, as root; give a container the GPU");
}

static void look_cuda(struct probe_row *row, const char *module)
{
	if (!*module) {
		probe_says(row, PROBE_NO, NVIDIA " cannot be read: the driver is not loaded");
		probe_try(row, "modprobe nvidia");
	} else if (!strstr(module, "Open Kernel Module")) {
		probe_says(row, PROBE_NO, "only NVIDIA's open kernel modules export dma-bufs");
		probe_try(row, "apt-get install nvidia-open-kernel-dkms, and reboot");
	} else {
		look_nvidia(row);
	}
}

static void probe_cuda(struct probe *p)
{
	struct probe_row row;
	char module[256];

	probe_row(&row, "cuda");
	look_read(module, sizeof(module), NVIDIA);
	probe_text(&row, "module", module);
	if (have_library(&row, exporter_cuda.library))
		look_cuda(&row, module);
	done(p, &row);
}

/* A render node of an AMD GPU, if need be one that may not be used; empty where there is none. */
static void find_amdgpu(char *path, size_t len)
{
	char driver[PROBE_NAME];
	struct dirent **names;
	int nr = look_list(DRM, &names);

	*path = '\0';
	for (int i = 0; i < nr; i++) {
		const char *name = names[i]->d_name;

		look_link(driver, sizeof(driver), DRM "/%s/device/driver", name);
		if (!is_render(name) || strcmp(driver, "amdgpu"))
			continue;
		snprintf(path, len, "/dev/dri/%s", name);
		if (!access(path, R_OK | W_OK))
			break;
	}
	look_list_free(names, nr);
}

static void look_amdgpu(struct probe_row *row)
{
	char path[PROBE_PATH];

	find_amdgpu(path, sizeof(path));
	if (access(KFD, R_OK | W_OK)) {
		if (!look_node(row, KFD, R_OK | W_OK) && access(KFD, F_OK))
			probe_try(row, "modprobe amdgpu; give a container the node");
	} else if (!*path) {
		probe_says(row, PROBE_NO, DRM " has no render node of amdgpu");
		probe_try(row, "take a GPU that ROCm knows, and amdgpu as its driver");
	} else if (!look_node(row, path, R_OK | W_OK) && access(path, F_OK)) {
		probe_try(row, "give the container this node, where this is one; else start udev");
	}
}

static void probe_hip(struct probe *p)
{
	struct probe_row row;

	probe_row(&row, "hip");
	if (have_library(&row, exporter_hip.library))
		look_amdgpu(&row);
	done(p, &row);
}

void probe_exporters(struct probe *p)
{
	probe_section(p, "exporters");
	probe_udmabuf(p);
	probe_heaps(p);
	probe_drm(p);
	probe_cuda(p);
	probe_hip(p);
}
