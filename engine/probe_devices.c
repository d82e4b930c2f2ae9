// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: drives, GPUs, and which of them reach each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exporter.h"
#include "probe_look.h"
#include "probe_pci.h"
#include "regbuf.h"

#define BLOCK		"/sys/class/block"
/* PCI classes: display controllers, and accelerators without a display. */
#define CLASS_DISPLAY	0x03
#define CLASS_ACCEL	0x12
#define DEVICES		64

/* What the last section needs: the drives, and who has memory that they may reach. */
struct devices {
	struct device {
		char name[PROBE_NAME];
		char pci[PROBE_NAME];
	} at[DEVICES];
	unsigned int nr;
};

static void remember(struct devices *devices, const char *name, const char *pci)
{
	struct device *device = &devices->at[devices->nr];

	if (devices->nr == DEVICES || !*pci)
		return;
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->pci, sizeof(device->pci), "%s", pci);
	devices->nr++;
}

static bool file_has(const char *path, const char *word)
{
	bool found = false;
	char *line = NULL;
	size_t room = 0;
	FILE *f;

	f = fopen(path, "re");
	while (f && !found && getline(&line, &room, f) > 0)
		found = strstr(line, word);
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* Who uses a disk or a partition, in words; empty when nobody does. */
static void find_user(char *user, size_t len, const char *name)
{
	char path[PROBE_PATH], dev[32], number[40], node[PROBE_PATH];
	struct dirent **holders;
	int nr;

	*user = '\0';
	snprintf(path, sizeof(path), BLOCK "/%s/holders", name);
	nr = look_list(path, &holders);
	if (nr)
		snprintf(user, len, "%s is held by %s", name, holders[0]->d_name);
	look_list_free(holders, nr);

	/* btrfs has a number of its own there, and the root's source can be anything */
	look_read(dev, sizeof(dev), BLOCK "/%s/dev", name);
	snprintf(number, sizeof(number), " %s ", dev);
	snprintf(node, sizeof(node), " /dev/%s ", name);
	if (file_has("/proc/self/mountinfo", number) || file_has("/proc/self/mountinfo", node))
		snprintf(user, len, "%s is mounted", name);
	else if (file_has("/proc/swaps", node + 1))
		snprintf(user, len, "%s is used as swap", name);
}

static void add_user(struct probe_row *row, const char *disk)
{
	char path[PROBE_PATH], user[PROBE_PATH];
	struct dirent **names;
	int nr;

	find_user(user, sizeof(user), disk);
	snprintf(path, sizeof(path), BLOCK "/%s", disk);
	nr = look_list(path, &names);
	for (int i = 0; i < nr && !*user; i++) {
		if (!strncmp(names[i]->d_name, disk, strlen(disk)))
			find_user(user, sizeof(user), names[i]->d_name);
	}
	look_list_free(names, nr);
	probe_text(row, "in_use", user);
}

/* Register a page with an open target. Nothing is read or written. */
static int register_page(int fd, const char *node, struct why *why)
{
	struct want want = { .size = sysconf(_SC_PAGESIZE) };
	struct buffer buf = BUFFER_NONE;
	struct ring_conf conf = { .depth = 1 };
	struct ring ring = { 0 };
	int ret;

	ret = exporter_udmabuf.alloc(&buf, &want, why);
	if (ret)
		return ret;
	ret = ring_init(&ring, &conf, why);
	if (!ret)
		ret = regbuf_table(&ring, 1, why);
	if (!ret)
		ret = regbuf_dmabuf(&ring, 0, buf.dmabuf_fd, fd, node, buf.size, why);
	ring_exit(&ring);
	exporter_udmabuf.free(&buf);
	return ret;
}

/* The definite answer, for the device that was named. */
static void try_target(const struct probe *p, struct probe_row *row, const char *node)
{
	struct why why = { "" };
	int fd;

	if (!p->needs[PROBE_NEED_KERNEL].met)
		return;
	fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		probe_says(row, PROBE_NO, "%s: open: %s", node, strerror(errno));
		return;
	}
	if (!register_page(fd, node, &why)) {
		probe_bool(row, "registered", true);
		probe_says(row, PROBE_YES, NULL);
	} else {
		probe_bool(row, "registered", false);
		/* what sysfs told is more to the point */
		if (row->answer != PROBE_NO)
			probe_says(row, PROBE_NO, "%s", why.text);
	}
	close(fd);
}

static void probe_drive(struct probe *p, const char *name, struct devices *drives,
			struct devices *owners)
{
	char node[PROBE_PATH], text[PROBE_PATH], pci[PROBE_NAME], real[PATH_MAX];
	struct probe_row row;
	bool head, usable;

	snprintf(node, sizeof(node), "/dev/%s", name);
	snprintf(text, sizeof(text), BLOCK "/%s", name);
	head = realpath(text, real) && strstr(real, "/nvme-subsystem/");
	pci_under(pci, text);

	probe_row(&row, "%s", name);
	probe_text(&row, "model", look_read(text, sizeof(text), BLOCK "/%s/device/model", name));
	probe_text(&row, "transport",
		   look_read(text, sizeof(text), BLOCK "/%s/device/transport", name));
	probe_text(&row, "pci", pci);
	pci_iommu(&row, pci);
	probe_bool(&row, "multipath_head", head);
	probe_number(&row, "logical_block_size",
		     look_number(BLOCK "/%s/queue/logical_block_size", name));
	probe_number(&row, "max_hw_sectors_kb",
		     look_number(BLOCK "/%s/queue/max_hw_sectors_kb", name));
	probe_number(&row, "p2pmem_bytes", look_number(PCI_DEVICES "/%s/p2pmem/size", pci));
	add_user(&row, name);

	usable = look_node(&row, node, R_OK);
	if (head) {
		probe_says(&row, PROBE_NO, "NVMe multipath heads take no dma-bufs (EOPNOTSUPP)");
		probe_try(&row, "boot with nvme_core.multipath=N");
	} else if (strncmp(name, "nvme", 4) || !*pci) {
		probe_says(&row, PROBE_NO, "only NVMe drives on PCI take dma-bufs");
	}
	if (p->device && usable)
		try_target(p, &row, node);
	probe_needed(p, PROBE_NEED_DRIVE, &row);
	probe_write(p, &row);
	remember(drives, name, pci);
	if (look_number(PCI_DEVICES "/%s/p2pmem/size", pci) > 0)
		remember(owners, name, pci);
}

static void probe_drives(struct probe *p, struct devices *drives, struct devices *owners)
{
	struct dirent **names;
	struct probe_row row;
	int nr = look_list(BLOCK, &names);

	probe_section(p, "drives");
	for (int i = 0; i < nr; i++) {
		const char *name = names[i]->d_name;
		bool wanted = !strncmp(name, "nvme", 4) &&
			      look_number(BLOCK "/%s/partition", name) < 0 &&
			      look_number(BLOCK "/%s/hidden", name) != 1;

		if (p->device ? !strcmp(name, p->device) : wanted)
			probe_drive(p, name, drives, owners);
	}
	look_list_free(names, nr);

	/* no row of the report, but a reason */
	probe_row(&row, "drives");
	probe_says(&row, PROBE_NO, "there is no NVMe drive");
	probe_try(&row, "none is needed in the virtual machine: make demo");
	probe_needed(p, PROBE_NEED_DRIVE, &row);
}

static void probe_gpus(struct probe *p, struct devices *owners)
{
	struct dirent **names;
	int nr = look_list(PCI_DEVICES, &names);

	probe_section(p, "gpus");
	for (int i = 0; i < nr; i++) {
		const char *address = names[i]->d_name;
		long long class = look_number(PCI_DEVICES "/%s/class", address) >> 16;
		char driver[PROBE_NAME], id[16];
		struct probe_row row;

		if (class != CLASS_DISPLAY && class != CLASS_ACCEL)
			continue;
		probe_row(&row, "%s", address);
		snprintf(id, sizeof(id), "%04llx:%04llx",
			 look_number(PCI_DEVICES "/%s/vendor", address),
			 look_number(PCI_DEVICES "/%s/device", address));
		probe_text(&row, "id", id);
		look_link(driver, sizeof(driver), PCI_DEVICES "/%s/driver", address);
		probe_text(&row, "driver", driver);
		pci_iommu(&row, address);
		if (*driver) {
			probe_says(&row, PROBE_YES, NULL);
		} else {
			probe_says(&row, PROBE_NO, "no driver has it");
			probe_try(&row, "modprobe $(cat " PCI_DEVICES "/%s/modalias)", address);
		}
		probe_write(p, &row);
		remember(owners, address, address);
	}
	look_list_free(names, nr);
}

static void probe_pairs(struct probe *p, const struct devices *owners,
			const struct devices *drives)
{
	probe_section(p, "peer_to_peer");
	for (unsigned int i = 0; i < owners->nr; i++) {
		for (unsigned int j = 0; j < drives->nr; j++) {
			const struct device *owner = &owners->at[i], *drive = &drives->at[j];
			struct probe_row row;

			probe_row(&row, "%s %s", owner->name, drive->name);
			pci_reach(&row, owner->pci, drive->pci);
			if (p->without_p2pdma) {
				probe_says(&row, PROBE_NO, "this kernel has no peer-to-peer DMA");
				probe_try(&row, "boot a kernel with CONFIG_PCI_P2PDMA=y");
			}
			probe_write(p, &row);
		}
	}
}

void probe_devices(struct probe *p)
{
	struct devices drives = { 0 }, owners = { 0 };

	probe_drives(p, &drives, &owners);
	probe_gpus(p, &owners);
	probe_pairs(p, &owners, &drives);
}
