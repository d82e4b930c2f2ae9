// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the data arrive, all of it and nothing else? Each buffer offset, length
 * and direction alone, against pread and pwrite from ordinary memory; what lies
 * around the transfer has to stay as it was.
 *
 * regbuf_data udmabuf|huge|pagesN DEVICE: the memory is that of a udmabuf, from
 * huge pages, or in chunks of 2^N pages in no order.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"

#define POISON	0xa5
#define BUF	(4 * MIB)
#define MARGIN	4096UL

static const unsigned int offsets[] = {
	0, 512, 1024, 3584, 4096, 4608, 8192, 65536, 65536 - 512, MIB, MIB + 512, MIB - 512,
};

static const unsigned int lengths[] = {
	512, 1024, 4096, 4096 + 512, 8192, 8192 + 512, 12288, 65536 - 512, 65536,
	128 * 1024 - 512, 128 * 1024, 128 * 1024 + 512, 132 * 1024, 256 * 1024, 508 * 1024,
	512 * 1024, 512 * 1024 + 512, MIB, 2 * MIB, 2 * MIB + 4096, 3 * MIB,
};

static struct io_uring ring;
static struct dmabuf buf;
static unsigned char *ref, *shadow;
static unsigned int lbs;
static int dev;

/* Where two buffers differ first, or -1. */
static long differ(const unsigned char *a, const unsigned char *b, size_t len)
{
	size_t i;

	if (!memcmp(a, b, len))
		return -1;
	for (i = 0; a[i] == b[i]; i++)
		;
	return i;
}

static void test_read(unsigned int offset, unsigned int len, unsigned int flags)
{
	static uint64_t seed;
	long at;
	int ret;

	fill(ref, len, ++seed);
	dev_pwrite(dev, ref, len, MIB);

	memset(buf.map, POISON, BUF);
	memset(shadow, POISON, BUF);
	memcpy(shadow + offset, ref, len);

	ret = do_rw(&ring, false, dev, 0, offset, len, MIB, flags);
	check(ret == (int)len, "read of %u at %u: %d", len, offset, ret);
	at = differ(buf.map, shadow, BUF);
	check(at < 0, "read of %u at %u: byte %ld is %02x, not %02x", len, offset, at,
	      buf.map[at], shadow[at]);
}

static void test_write(unsigned int offset, unsigned int len, unsigned int flags)
{
	static uint64_t seed = 1 << 20;
	long at;
	int ret;

	memset(shadow, POISON, len + 2 * MARGIN);
	dev_pwrite(dev, shadow, len + 2 * MARGIN, MIB - MARGIN);

	fill(buf.map, BUF, ++seed);
	memcpy(shadow + MARGIN, buf.map + offset, len);

	ret = do_rw(&ring, true, dev, 0, offset, len, MIB, flags);
	check(ret == (int)len, "write of %u at %u: %d", len, offset, ret);
	memset(ref, 0, len + 2 * MARGIN);
	dev_pread(dev, ref, len + 2 * MARGIN, MIB - MARGIN);
	at = differ(ref, shadow, len + 2 * MARGIN);
	check(at < 0, "write of %u at %u: byte %ld is %02x, not %02x", len, offset, at,
	      ref[at], shadow[at]);
}

static void test_grid(void)
{
	unsigned int i, j, n = 0;

	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		for (j = 0; j < sizeof(lengths) / sizeof(*lengths); j++) {
			if (lengths[j] % lbs || offsets[i] + lengths[j] > BUF)
				continue;
			test_read(offsets[i], lengths[j], 0);
			test_write(offsets[i], lengths[j], 0);
			n++;
		}
	}
	check(n > 100, "only %u combinations", n);
}

/* Many at once, to different places, each with its own offset within a page. */
static void test_depth(void)
{
	const unsigned int depth = 128, len = 8192, stride = 16384;
	unsigned int i, round;

	fill(ref, depth * stride, 77);
	dev_pwrite(dev, ref, depth * stride, 0);

	for (round = 0; round < 10; round++) {
		memset(buf.map, POISON, BUF);
		for (i = 0; i < depth; i++)
			sqe_rw(&ring, false, dev, 0, i * stride + (i % 8) * 512, len, i * stride,
			       0);
		if (io_uring_submit_and_wait(&ring, depth) != (int)depth)
			die("submit");
		for (i = 0; i < depth; i++) {
			struct io_uring_cqe *cqe;

			if (io_uring_wait_cqe(&ring, &cqe))
				die("wait");
			check(cqe->res == (int)len, "depth %u: %d", depth, cqe->res);
			io_uring_cqe_seen(&ring, cqe);
		}
		for (i = 0; i < depth; i++)
			check(!memcmp(buf.map + i * stride + (i % 8) * 512, ref + i * stride, len),
			      "depth %u: I/O %u differs", depth, i);
	}
}

/* The ring's other ways to issue a request. */
static void test_ring_flags(void)
{
	static const unsigned int flags[] = {
		IORING_SETUP_SQPOLL,
		IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	unsigned int i;

	io_uring_queue_exit(&ring);
	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		ring_create(&ring, 8, flags[i], 1);
		if (regbuf_dmabuf(&ring, 0, buf.fd, dev) != 1)
			die("register with ring flags %#x", flags[i]);
		test_read(512, 132 * 1024, 0);
		test_write(512, 132 * 1024, 0);
		test_read(0, 4096, IOSQE_ASYNC);
		test_write(0, 4096, IOSQE_ASYNC);
		io_uring_queue_exit(&ring);
	}
	ring_create(&ring, 256, 0, 1);
	if (regbuf_dmabuf(&ring, 0, buf.fd, dev) != 1)
		die("register");
}

int main(int argc, char **argv)
{
	unsigned int order;

	if (argc != 3)
		die("usage: %s udmabuf|huge|pagesN DEVICE", argv[0]);
	dev = dev_open(argv[2]);
	if (ioctl(dev, BLKSSZGET, &lbs))
		die("BLKSSZGET: %m");
	if (sscanf(argv[1], "pages%u", &order) == 1) {
		dmabuf_test_load();
		dmabuf_pages(&buf, BUF, order);
	} else if (!strcmp(argv[1], "huge")) {
		dmabuf_create_huge(&buf, BUF);
	} else {
		dmabuf_create(&buf, BUF);
	}
	ref = aligned(BUF);
	shadow = aligned(BUF);
	ring_create(&ring, 256, 0, 1);
	if (regbuf_dmabuf(&ring, 0, buf.fd, dev) != 1)
		die("register");

	test_ring_flags();
	test_grid();
	test_depth();

	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
	nothing_left();
	return t_done();
}
