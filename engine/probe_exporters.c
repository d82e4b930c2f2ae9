// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: who can make a dma-buf. udmabuf and the heaps are tried with one page, which is
 * given back at once; of the others it is looked whether what they need is there.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exporter.h"
#include "probe_look.h"

#define UDMABUF		"/dev/udmabuf"
#define HEAPS		"/dev/dma_heap"
#define DRM		"/sys/class/drm"
#define NVIDIA		"/proc/driver/nvidia/version"
#define KFD		"/dev/kfd"

static void done(struct probe *p, const struct probe_row *row)
{
	probe_needed(p, PROBE_NEED_EXPORTER, row);
	probe_write(p, row);
}

/* The node may be used: does it give memory? */
static void try_page(struct probe_row *row, const struct exporter *exporter, const char *heap)
{
	struct want want = { .size = sysconf(_SC_PAGESIZE), .heap = heap };
	struct buffer buf = BUFFER_NONE;
	struct why why;

	if (exporter->alloc(&buf, &want, &why))
		probe_says(row, PROBE_NO, "%s", why.text);
	else
		exporter->free(&buf);
}

static void probe_udmabuf(struct probe *p)
{
	struct probe_row row;

	probe_row(&row, "udmabuf");
	if (look_node(&row, UDMABUF, R_OK | W_OK))
		try_page(&row, &exporter_udmabuf, NULL);
	else if (access(UDMABUF, F_OK))
		probe_try(&row, "modprobe udmabuf (CONFIG_UDMABUF)");
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
			try_page(&row, &exporter_dma_heap, names[i]->d_name);
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

static void probe_drm_node(struct probe *p, const char *name)
{
	char path[PROBE_PATH], driver[PROBE_NAME];
	struct probe_row row;

	snprintf(path, sizeof(path), "/dev/dri/%s", name);
	probe_row(&row, "drm/%s", name);
	look_link(driver, sizeof(driver), DRM "/%s/device/driver", name);
	/* a device of software only, such as vgem, has a driver for all such devices, or none */
	if (!*driver || !strcmp(driver, "faux_driver"))
		look_link(driver, sizeof(driver), DRM "/%s/device", name);
	probe_text(&row, "driver", driver);
	look_node(&row, path, R_OK | W_OK);
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
		if (strchr(name, '-') || (strncmp(name, "card", 4) && strncmp(name, "renderD", 7)))
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

/* Return: true if a library can be loaded; else the row says so. */
static bool have_library(struct probe_row *row, const char *name)
{
	void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);

	if (library)
		dlclose(library);
	else
		probe_says(row, PROBE_NO, "%s", dlerror());
	return library;
}

static void probe_cuda(struct probe *p)
{
	struct probe_row row;
	char module[256];

	probe_row(&row, "cuda");
	look_read(module, sizeof(module), NVIDIA);
	probe_text(&row, "module", module);
	if (!have_library(&row, "libcuda.so.1")) {
		probe_try(&row, "install NVIDIA's driver, with its open kernel modules");
	} else if (!*module) {
		probe_says(&row, PROBE_NO, NVIDIA " cannot be read: the driver is not loaded");
		probe_try(&row, "modprobe nvidia");
	} else if (!strstr(module, "Open Kernel Module")) {
		probe_says(&row, PROBE_NO, "only NVIDIA's open kernel modules export dma-bufs");
		probe_try(&row, "apt-get install nvidia-open-kernel-dkms, and reboot");
	} else {
		probe_says(&row, PROBE_YES, NULL);
	}
	done(p, &row);
}

static void probe_hip(struct probe *p)
{
	struct probe_row row;

	probe_row(&row, "hip");
	if (!have_library(&row, "libamdhip64.so"))
		probe_try(&row, "install ROCm's HIP runtime");
	else if (!look_node(&row, KFD, R_OK | W_OK) && access(KFD, F_OK))
		probe_try(&row, "modprobe amdgpu");
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
