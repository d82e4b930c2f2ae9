// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the data arrive, all of it and nothing else? Each buffer offset, length
 * and direction alone, against pread and pwrite from ordinary memory; what lies
 * around the transfer has to stay as it was.
 *
 * regbuf_data udmabuf|huge|pagesN DEVICE: the memory is that of a udmabuf, from
 * huge pages, or in chunks of 2^N pages in no order.
 *
 * regbuf_data lists DEVICE: commands by more PRPs than QEMU's drive takes.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"

#define POISON	0xa5
#define BUF	(9 * MIB)
#define WINDOW	(4 * MIB)	/* where all but the largest are */
#define MARGIN	4096UL

/* NVMe takes what is aligned to 4 bytes. */
static const unsigned int offsets[] = {
	0, 4, 60, 508, 512, 1024, 3584, 4092, 4096, 4608, 8192, 65536, 65536 - 512, MIB, MIB + 512,
	MIB - 512,
};

static const unsigned int lengths[] = {
	512, 1024, 4096, 4096 + 512, 8192, 8192 + 512, 12288, 65536 - 512, 65536,
	128 * 1024 - 512, 128 * 1024, 128 * 1024 + 512, 132 * 1024, 256 * 1024, 508 * 1024,
	512 * 1024, 512 * 1024 + 512, MIB, 2 * MIB, 2 * MIB + 4096, 3 * MIB,
};

/*
 * Where a PRP list of 4 KiB ends: by PRPs, in one command, the first takes 2
 * lists, at an offset filled to the last entry, the others 3, 4 and 5. QEMU's
 * drive fails a command of more than 1024 pieces: of these only the first has
 * its data looked at by PRPs, the others by SGLs.
 */
static const unsigned int large[] = {
	4 * MIB - 4096, 4 * MIB + 4096, 6 * MIB - 4096, 6 * MIB, 8 * MIB - 8192, 8 * MIB - 512,
	8 * MIB,
};

static struct io_uring ring;
static struct dmabuf buf;
static unsigned char *ref, *shadow;
static const char *name;		/* nvme0n1 */
static unsigned int lbs, max_len, max_segments;
static unsigned long piece;		/* of contiguous memory in the dma-buf, at least */
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

static unsigned long queue_limit(const char *limit)
{
	char path[128];
	unsigned long value;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", name, limit);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu", &value) != 1)
		die("%s: %m", path);
	fclose(f);
	return value;
}

/* Reads and writes that the drive has completed, as commands: counted after their I/O is told. */
static unsigned long commands(void)
{
	unsigned long reads, writes, in_flight;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", name);
	do {
		f = fopen(path, "r");
		if (!f || fscanf(f, "%lu %*u %*u %*u %lu %*u %*u %*u %lu", &reads, &writes,
				 &in_flight) != 3)
			die("%s: %m", path);
		fclose(f);
	} while (in_flight);
	return reads + writes;
}

/* Does one command take so much, whatever of it? */
static bool fits(unsigned long len)
{
	return len <= max_len && piece * (max_segments - 1) >= len;
}

/* One I/O: in as few commands as the drive allows, where pieces of memory are not what limits it. */
static void transfer(bool write, unsigned int offset, unsigned int len, unsigned int flags)
{
	unsigned long before = commands(), took, least = (len + max_len - 1) / max_len;
	int ret = do_rw(&ring, write, dev, 0, offset, len, MIB, flags);

	check(ret == (int)len, "%s of %u at %u: %d", write ? "write" : "read", len, offset, ret);
	took = commands() - before;
	check(fits(max_len) ? took == least : took >= least,
	      "%s of %u at %u: %lu commands of up to %u bytes", write ? "write" : "read", len,
	      offset, took, max_len);
}

static void test_read(unsigned int offset, unsigned int len, unsigned int flags)
{
	const size_t watched = offset + len + MARGIN <= WINDOW ? WINDOW : BUF;
	static uint64_t seed;
	long at;

	fill(ref, len, ++seed);
	dev_pwrite(dev, ref, len, MIB);

	memset(buf.map, POISON, watched);
	memset(shadow, POISON, watched);
	memcpy(shadow + offset, ref, len);

	transfer(false, offset, len, flags);
	at = differ(buf.map, shadow, watched);
	check(at < 0, "read of %u at %u: byte %ld is %02x, not %02x", len, offset, at,
	      buf.map[at], shadow[at]);
}

static void test_write(unsigned int offset, unsigned int len, unsigned int flags)
{
	static uint64_t seed = 1 << 20;
	long at;

	memset(shadow, POISON, len + 2 * MARGIN);
	dev_pwrite(dev, shadow, len + 2 * MARGIN, MIB - MARGIN);

	fill(buf.map, offset + len + MARGIN <= WINDOW ? WINDOW : BUF, ++seed);
	memcpy(shadow + MARGIN, buf.map + offset, len);

	transfer(true, offset, len, flags);
	memset(ref, 0, len + 2 * MARGIN);
	dev_pread(dev, ref, len + 2 * MARGIN, MIB - MARGIN);
	at = differ(ref, shadow, len + 2 * MARGIN);
	check(at < 0, "write of %u at %u: byte %ld is %02x, not %02x", len, offset, at,
	      ref[at], shadow[at]);
}

static void test_grid(void)
{
	unsigned int i, j, n = 0;
	long at;

	/* What is not compared each time is, once. */
	memset(buf.map, POISON, BUF);
	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		for (j = 0; j < sizeof(lengths) / sizeof(*lengths); j++) {
			if (lengths[j] % lbs || offsets[i] + lengths[j] + MARGIN > WINDOW)
				continue;
			test_read(offsets[i], lengths[j], 0);
			test_write(offsets[i], lengths[j], 0);
			n++;
		}
	}
	check(n > 150, "only %u combinations", n);
	memset(shadow, POISON, BUF);
	at = differ(buf.map + WINDOW, shadow + WINDOW, BUF - WINDOW);
	check(at < 0, "behind all reads and writes: byte %ld is %02x", at, buf.map[WINDOW + at]);
}

/* What is split whatever its size is tried in one size only. */
static void test_large(void)
{
	const unsigned int n = sizeof(large) / sizeof(*large);
	unsigned int i, at;

	for (i = 0; i < n; i++) {
		if (large[i] % lbs || (i < n - 1 && !fits(large[i])))
			continue;
		for (at = 0; at <= 512; at += 512) {
			test_read(at, large[i], 0);
			test_write(at, large[i], 0);
		}
	}
}

/* What the drive refuses has its lists made and freed all the same, and nothing is transferred. */
static void test_lists(void)
{
	const unsigned int n = sizeof(large) / sizeof(*large);
	unsigned long before;
	unsigned int i, at;
	int ret;

	for (i = 1; i < n; i++) {
		for (at = 0; at <= 512; at += 512) {
			before = commands();
			memset(buf.map, POISON, BUF);
			ret = do_rw(&ring, false, dev, 0, at, large[i], MIB, 0);
			check(ret == -EIO, "read of %u at %u: %d", large[i], at, ret);
			ret = do_rw(&ring, true, dev, 0, at, large[i], MIB, 0);
			check(ret == -EIO, "write of %u at %u: %d", large[i], at, ret);
			check(commands() == before + 2, "%lu commands", commands() - before);
			memset(shadow, POISON, BUF);
			check(differ(buf.map, shadow, BUF) < 0, "a refused read of %u", large[i]);
		}
	}
	test_read(512, large[0], 0);
	test_write(512, large[0], 0);
}

/* The offsets above are the finest. */
static void test_alignment(void)
{
	unsigned long mask = queue_limit("dma_alignment");
	int ret;

	check(mask == 3, "%s: dma_alignment is %lu", name, mask);
	ret = do_rw(&ring, false, dev, 0, 2, lbs, MIB, 0);
	check(ret == -EINVAL, "read at 2: %d", ret);
	ret = do_rw(&ring, true, dev, 0, 2, lbs, MIB, 0);
	check(ret == -EINVAL, "write at 2: %d", ret);
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
	const char *kind = argv[1];
	unsigned int order;
	bool lists;

	if (argc != 3)
		die("usage: %s udmabuf|huge|pagesN|lists DEVICE", argv[0]);
	lists = !strcmp(kind, "lists");
	if (lists)
		kind = "pages9";
	dev = dev_open(argv[2]);
	if (ioctl(dev, BLKSSZGET, &lbs))
		die("BLKSSZGET: %m");
	name = strrchr(argv[2], '/') + 1;
	max_len = queue_limit("max_sectors_kb") * 1024;
	max_segments = queue_limit("max_segments");
	piece = 4096;
	if (sscanf(kind, "pages%u", &order) == 1) {
		piece <<= order;
		dmabuf_test_load();
		dmabuf_pages(&buf, (BUF + piece - 1) / piece * piece, order);
	} else if (!strcmp(kind, "huge")) {
		piece = 2 * MIB;
		dmabuf_create_huge(&buf, (BUF + piece - 1) / piece * piece);
	} else {
		dmabuf_create(&buf, BUF);
	}
	ref = aligned(BUF);
	shadow = aligned(BUF);
	ring_create(&ring, 256, 0, 1);
	if (regbuf_dmabuf(&ring, 0, buf.fd, dev) != 1)
		die("register");

	if (lists) {
		test_lists();
	} else {
		test_ring_flags();
		test_alignment();
		test_grid();
		test_large();
		test_depth();
	}

	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
	nothing_left();
	return t_done();
}
