// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PCI device's memory, most often a drive's controller memory buffer, from the kernel's P2PDMA
 * allocator: whoever maps p2pmem/allocate in sysfs gets as much of it, and gives it back by
 * unmapping it (drivers/pci/p2pdma.c, since Linux 6.2). Direct I/O with it goes from device to
 * device, mapped at each I/O: what dma-bufs are an alternative to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "memory_p2pmem.h"

#define DEVICES		"/sys/bus/pci/devices"
#define PATH_LEN	(P2PMEM_NAME + 64)

static bool has(const char *device, const char *what)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", device, what);
	return !access(path, F_OK);
}

static unsigned long long number(const char *device, const char *what)
{
	unsigned long long n = 0;
	char path[PATH_LEN];
	FILE *f;

	snprintf(path, sizeof(path), DEVICES "/%s/p2pmem/%s", device, what);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* The first by address that publishes memory. */
static int find_device(char *name, struct why *why)
{
	struct dirent *entry;
	DIR *dir;

	*name = '\0';
	dir = opendir(DEVICES);
	while (dir && (entry = readdir(dir))) {
		if (strlen(entry->d_name) < P2PMEM_NAME && has(entry->d_name, "p2pmem") &&
		    (!*name || strcmp(entry->d_name, name) < 0))
			strcpy(name, entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (*name)
		return 0;
	return why_set(why, -ENODEV, "no PCI device offers memory (" DEVICES "/*/p2pmem): that "
		       "takes an NVMe drive with a controller memory buffer, and a kernel with "
		       "CONFIG_PCI_P2PDMA");
}

static int check_device(const char *name, struct why *why)
{
	if (!*name || strchr(name, '/') || strlen(name) >= P2PMEM_NAME || !has(name, ""))
		return why_set(why, -ENODEV, "p2pmem_device=%s: is not a PCI device; say its "
			       "address as in " DEVICES, name);
	if (!has(name, "p2pmem"))
		return why_set(why, -ENODEV, "p2pmem_device=%s: offers no memory (" DEVICES "/%s"
			       "/p2pmem); that takes an NVMe drive with a controller memory "
			       "buffer, and a kernel with CONFIG_PCI_P2PDMA", name, name);
	return 0;
}

int p2pmem_find(char *name, const char *wanted, struct why *why)
{
	int ret;

	if (!wanted)
		return find_device(name, why);
	ret = check_device(wanted, why);
	if (!ret)
		strcpy(name, wanted);
	return ret;
}

static int explain_map(int err, const char *name, size_t size, struct why *why)
{
	if (err == -ENOMEM)
		return why_set(why, err, "%s offers %llu bytes, of which %llu are free, and the "
			       "pool takes %zu; take less iodepth, bs or numjobs", name,
			       number(name, "size"), number(name, "available"), size);
	return why_set(why, err, "mmap of %zu bytes of " DEVICES "/%s/p2pmem/allocate: %s", size,
		       name, strerror(-err));
}

static int p2pmem_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	size_t size = memory_pages(want->size);
	char name[P2PMEM_NAME], path[PATH_LEN];
	void *cpu;
	int ret;

	ret = p2pmem_find(name, want->p2pmem_device, why);
	if (ret)
		return ret;

	snprintf(path, sizeof(path), DEVICES "/%s/p2pmem/allocate", name);
	buf->memfd = open(path, O_RDWR | O_CLOEXEC);
	if (buf->memfd < 0) {
		if (errno == ENOENT)
			return why_set(why, -errno, "%s does not exist: Linux 6.2 or later is "
				       "needed", path);
		return why_set(why, -errno, "%s: %s%s", path, strerror(errno),
			       errno == EACCES ? "; run as root" : "");
	}
	cpu = memory_map(size, buf->memfd);
	if (cpu == MAP_FAILED) {
		ret = explain_map(-errno, name, size, why);
		memory_free(buf);
		return ret;
	}
	buf->cpu = cpu;
	buf->size = size;
	return 0;
}

const struct exporter memory_p2pmem = {
	.name	= "p2pmem",
	.alloc	= p2pmem_alloc,
	.free	= memory_free,
};
