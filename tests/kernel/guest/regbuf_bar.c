// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and writes between a drive and another device's memory. The data is
 * compared by the CPU through the BAR, which is none of the kernel's dma-bufs.
 *
 * regbuf_bar data DEVICE PCI-ADDRESS	each direction alone; moves; sizes
 * regbuf_bar lost DEVICE PCI-ADDRESS	bus addresses that do not get there
 * regbuf_bar far DEVICE PCI-ADDRESS	a drive that the device can't reach
 * regbuf_bar limits DEVICE PCI-ADDRESS	a BAR of 4 GiB
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"
#include "kernel/modules/dmabuf_test.h"

#define BAR	2	/* ivshmem's memory */
#define SIZE	(4 * MIB)
#define PAGE	4096
#define POISON	0xa5
#define POS	MIB
#define GIB	(1024 * MIB)

static const unsigned int offsets[] = { 0, 512, 4096, 4608, 65536 - 512, MIB };
static const unsigned int lengths[] = { 512, 4096, 8192, 65536, 128 * 1024 + 512, MIB, 2 * MIB };

static struct io_uring ring;
static unsigned char *ref, *bar;
static int dev;

/* The BAR as every process may map it. */
static unsigned char *map_bar(const char *device, uint64_t offset, size_t size)
{
	unsigned char *map;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d", device, BAR);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (map == MAP_FAILED)
		die("mmap of %s: %m", path);
	close(fd);
	return map;
}

static void test_pair(unsigned int offset, unsigned int len)
{
	static uint64_t seed;
	unsigned int i;
	int ret;

	fill(ref, len, ++seed);
	dev_pwrite(dev, ref, len, POS);
	memset(bar, POISON, SIZE);
	ret = do_rw(&ring, false, dev, 0, offset, len, POS, 0);
	check(ret == (int)len, "read of %u at %u: %d", len, offset, ret);
	check(!memcmp(bar + offset, ref, len), "read of %u at %u: wrong data", len, offset);
	for (i = 0; i < offset && bar[i] == POISON; i++)
		;
	check(i == offset, "read of %u at %u: byte %u before it", len, offset, i);
	for (i = offset + len; i < SIZE && bar[i] == POISON; i++)
		;
	check(i == SIZE, "read of %u at %u: byte %u behind it", len, offset, i);

	memset(ref, POISON, len + 4096);
	dev_pwrite(dev, ref, len + 4096, POS);
	fill(bar, SIZE, ++seed);
	ret = do_rw(&ring, true, dev, 0, offset, len, POS, 0);
	check(ret == (int)len, "write of %u at %u: %d", len, offset, ret);
	dev_pread(dev, ref, len + 4096, POS);
	check(!memcmp(bar + offset, ref, len), "write of %u at %u: wrong data", len, offset);
	check(ref[len] == POISON, "write of %u at %u: too much", len, offset);
}

static void test_data(const char *device)
{
	struct dmabuf buf;
	unsigned int i, j;

	dmabuf_bar(&buf, device, BAR, 0, SIZE, 0);
	bar = map_bar(device, 0, SIZE);
	check(regbuf_dmabuf(&ring, 0, buf.fd, dev) == 1, "register");
	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		for (j = 0; j < sizeof(lengths) / sizeof(*lengths); j++)
			test_pair(offsets[i], lengths[j]);
		check(!dmabuf_set(&buf, "move", 1), "move");
	}
	check(dmabuf_get(&buf, "maps") >= i, "%lu maps for %u moves", dmabuf_get(&buf, "maps"), i);
	check(!memcmp(buf.map, bar, SIZE), "the dma-buf's mmap shows something else");
	regbuf_update(&ring, 0, &(struct io_uring_regbuf_desc){ }, 1, NULL);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	munmap(bar, SIZE);
}

/*
 * A switch would route these addresses; what is between the two devices here
 * takes them for the IOMMU's. Neither the drive nor the kernel tells.
 */
static void test_lost(const char *device)
{
	struct dmabuf buf;
	unsigned int i, lost = 0;
	int ret;

	dmabuf_bar(&buf, device, BAR, 0, SIZE, DMABUF_TEST_BAR_BUS_ADDRESS);
	bar = map_bar(device, 0, SIZE);
	fill(ref, 65536, 1);
	dev_pwrite(dev, ref, 65536, POS);
	check(regbuf_dmabuf(&ring, 0, buf.fd, dev) == 1, "register");
	memset(bar, POISON, SIZE);
	ret = do_rw(&ring, false, dev, 0, 0, 65536, POS, 0);
	for (i = 0; i < 65536; i++)
		lost += bar[i] == POISON;
	printf("read: %d, bytes that kept their poison: %u\n", ret, lost);
	check(lost > 65536 - 512, "the data arrived: only %u bytes kept their poison", lost);
	io_uring_queue_exit(&ring);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	munmap(bar, SIZE);
	ring_create(&ring, 8, 0, 2);
}

/* On some processors the kernel lets all devices reach each other. */
static bool all_reach_all(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	bool amd = false;
	int family = 0;
	char line[256];

	if (!f)
		die("/proc/cpuinfo: %m");
	while (!family && fgets(line, sizeof(line), f)) {
		amd |= !!strstr(line, "AuthenticAMD");
		sscanf(line, "cpu family : %d", &family);
	}
	fclose(f);
	return amd && family >= 0x17;
}

static void test_far(const char *device)
{
	struct dmabuf buf;
	int ret;

	dmabuf_bar(&buf, device, BAR, 0, SIZE, 0);
	ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
	if (!all_reach_all())
		check(ret == -EXDEV, "out of reach: %d", ret);
	dmabuf_test_parameter("any_distance", "1");
	bar = map_bar(device, 0, SIZE);
	check(regbuf_dmabuf(&ring, 0, buf.fd, dev) == 1, "register at any distance");
	test_pair(512, 65536);
	dmabuf_test_parameter("any_distance", "0");
	io_uring_queue_exit(&ring);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
	munmap(bar, SIZE);
	ring_create(&ring, 8, 0, 2);
}

/* Both ways, at the very end of a dma-buf: the right place of the BAR, and all of it. */
static void test_end(const char *what, const char *device, uint64_t offset, uint64_t size)
{
	unsigned char *page = map_bar(device, offset + size - PAGE, PAGE);
	int ret;

	fill(ref, 2 * PAGE, size);
	dev_pwrite(dev, ref, PAGE, POS);
	memset(page, POISON, PAGE);
	ret = do_rw(&ring, false, dev, 0, size - PAGE, PAGE, POS, 0);
	check(ret == PAGE, "%s: read at the end: %d", what, ret);
	check(!memcmp(page, ref, PAGE), "%s: read wrong data at the end", what);

	memcpy(page, ref + PAGE, PAGE);
	ret = do_rw(&ring, true, dev, 0, size - PAGE, PAGE, POS, 0);
	check(ret == PAGE, "%s: write at the end: %d", what, ret);
	dev_pread(dev, ref, PAGE, POS);
	check(!memcmp(page, ref, PAGE), "%s: wrote wrong data at the end", what);
	munmap(page, PAGE);
}

/* try: register and do I/O at the end. */
static void expect(const char *what, const char *device, uint64_t offset, uint64_t size,
		   int want_register, int want_io)
{
	struct dmabuf buf;
	int ret;

	ret = dmabuf_try_bar(&buf, device, BAR, offset, size, 0);
	if (ret)
		die("%s: %s", what, strerror(-ret));
	ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
	check(ret == want_register, "%s: register: %d", what, ret);
	if (ret == 1) {
		ret = do_rw(&ring, false, dev, 0, size - PAGE, PAGE, POS, 0);
		check(ret == want_io, "%s: read at the end: %d", what, ret);
		if (want_io == PAGE)
			test_end(what, device, offset, size);
		ret = do_rw(&ring, false, dev, 0, size, 512, 0, 0);
		check(ret == -EFAULT, "%s: read past the end: %d", what, ret);
		/* More than one request's result can say; within the buffer if that is so large. */
		ret = do_rw(&ring, false, dev, 0, 0, 2 * GIB - 512, 0, 0);
		check(ret == -EFAULT, "%s: read of nearly 2 GiB: %d", what, ret);
	}
	regbuf_update(&ring, 0, &(struct io_uring_regbuf_desc){ }, 1, NULL);
	dmabuf_settle(&buf);
	dmabuf_destroy(&buf);
}

static void test_limits(const char *device)
{
	expect("1 GiB and a page", device, 0, GIB + PAGE, 1, PAGE);
	expect("2 GiB", device, GIB, 2 * GIB, 1, PAGE);
	expect("more than 2 GiB", device, 0, 2 * GIB + PAGE, -EINVAL, 0);
	expect("not of whole pages", device, 0, MIB + 512, -EINVAL, 0);
	expect("not at a page", device, 512, MIB, 1, -EINVAL);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		die("usage: %s data|lost|far|limits DEVICE PCI-ADDRESS", argv[0]);
	dmabuf_test_load();
	dev = dev_open(argv[2]);
	ref = aligned(SIZE);
	ring_create(&ring, 8, 0, 2);

	if (!strcmp(argv[1], "data"))
		test_data(argv[3]);
	else if (!strcmp(argv[1], "lost"))
		test_lost(argv[3]);
	else if (!strcmp(argv[1], "far"))
		test_far(argv[3]);
	else
		test_limits(argv[3]);

	io_uring_queue_exit(&ring);
	close(dev);
	nothing_left();
	return t_done();
}
