// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-ring DEVICE BATCH IOS
 *
 * The least that a program can do to read at random: ring.h and nothing else, with the requests
 * of arm=fixed, 32 of 4 KiB in flight, submitted and reaped BATCH at a time. `fio-dmabuf bench`
 * puts the engine beside it, to see what fio and the engine take in user space.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "regbuf.h"
#include "ring.h"

#define DEPTH	32
#define BS	4096U

struct bare {
	struct ring ring;
	unsigned char *memory;
	unsigned int idle[DEPTH];	/* units that are not in flight */
	unsigned int nr_idle;
	uint64_t blocks;
	uint64_t random;
};

static int failed(const char *what, int error)
{
	fprintf(stderr, "fio-dmabuf-ring: %s: %s\n", what, strerror(error));
	return 1;
}

static int set_up(struct bare *b, const char *device)
{
	static const struct ring_conf conf = { .depth = DEPTH };
	uint64_t bytes;
	struct why why;
	int fd, ret;

	fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return failed(device, errno);
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		return failed(device, errno);
	b->blocks = bytes / BS;
	b->random = 1;

	b->memory = aligned_alloc(BS, (size_t)DEPTH * BS);
	if (!b->memory)
		return failed("memory", ENOMEM);
	memset(b->memory, 0, (size_t)DEPTH * BS);

	ret = ring_init(&b->ring, &conf, &why);
	if (!ret)
		ret = regbuf_table(&b->ring, DEPTH, &why);
	for (unsigned int i = 0; !ret && i < DEPTH; i++) {
		ret = regbuf_user(&b->ring, i, b->memory + i * BS, BS, (size_t)DEPTH * BS, &why);
		b->idle[b->nr_idle++] = i;
	}
	if (ret) {
		fprintf(stderr, "fio-dmabuf-ring: %s\n", why.text);
		return 1;
	}
	ret = io_uring_register_files(&b->ring.uring, &fd, 1);
	if (ret)
		return failed("io_uring_register_files", -ret);
	return 0;
}

static int prepare(struct bare *b)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring.uring);
	unsigned int unit;

	if (!sqe)
		return -EBUSY;
	unit = b->idle[--b->nr_idle];

	/* xorshift: no blocks one after the other, which could be merged */
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;

	*sqe = (struct io_uring_sqe) {
		.opcode = IORING_OP_READ_FIXED,
		.flags = IOSQE_FIXED_FILE,
		.off = b->random % b->blocks * BS,
		.addr = (uintptr_t)(b->memory + unit * BS),
		.len = BS,
		.buf_index = unit,
		.user_data = unit,
	};
	return 0;
}

/* Return: how many, up to @max, or a negative errno of a read. */
static int reap(struct bare *b, unsigned int max)
{
	struct io_uring_cqe *cqe;
	unsigned int head, got = 0;

	io_uring_for_each_cqe(&b->ring.uring, head, cqe) {
		if (got == max)
			break;
		if (cqe->res != (int)BS)
			return cqe->res < 0 ? cqe->res : -EIO;
		b->idle[b->nr_idle++] = cqe->user_data;
		got++;
	}
	io_uring_cq_advance(&b->ring.uring, got);
	return got;
}

static int go(struct bare *b, unsigned int batch, uint64_t ios)
{
	for (uint64_t done = 0; done < ios;) {
		unsigned int got = 0;
		int ret = 0;

		for (unsigned int i = 0; !ret && i < batch; i++)
			ret = prepare(b);
		if (ret)
			return ret;
		if (b->nr_idle) {
			ret = ring_submit(&b->ring);
			if (ret)
				return ret;
			continue;
		}
		while (got < batch) {
			ret = reap(b, batch - got);
			if (ret < 0)
				return ret;
			got += ret;
			/* what was prepared goes along with the first wait */
			ret = got < batch ? ring_wait(&b->ring, batch - got) :
			      io_uring_sq_ready(&b->ring.uring) ? ring_submit(&b->ring) : 0;
			if (ret)
				return ret;
		}
		done += got;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct bare b;
	unsigned long batch = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	int ret;

	if (!batch || DEPTH % batch) {
		fprintf(stderr, "usage: fio-dmabuf-ring DEVICE BATCH IOS; BATCH divides %d\n", DEPTH);
		return 2;
	}
	if (set_up(&b, argv[1]))
		return 1;
	ret = go(&b, batch, strtoull(argv[3], NULL, 10));
	if (ret)
		return failed(argv[1], -ret);
	ring_exit(&b.ring);
	free(b.memory);
	return 0;
}
