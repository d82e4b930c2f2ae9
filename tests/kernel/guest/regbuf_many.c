// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several drives and several dma-bufs at once, all of them with each other: what
 * is written from each dma-buf to each drive, and read back into another one.
 *
 * regbuf_many DEVICE...
 */
#include <unistd.h>

#include "common.h"

#define BUFFERS		3
#define MAX_DRIVES	4
#define PIECES		8
#define PIECE		65536U
#define POISON		0xa5

static struct io_uring ring;
static struct dmabuf bufs[BUFFERS];
static int drives[MAX_DRIVES];
static unsigned int nr_drives;

/* Each buffer has a place of its own for each drive, and each drive for each buffer. */
static unsigned int place(unsigned int n, unsigned int piece)
{
	return (n * PIECES + piece) * PIECE;
}

static void submit_all(bool write, unsigned int from)
{
	unsigned int d, b, p, n = 0;

	for (p = 0; p < PIECES; p++) {
		for (d = 0; d < nr_drives; d++) {
			for (b = 0; b < BUFFERS; b++, n++)
				sqe_rw(&ring, write, drives[d], d * BUFFERS + b, place(d, p), PIECE,
				       place((b + from) % BUFFERS, p), 0);
		}
	}
	if (io_uring_submit_and_wait(&ring, n) != (int)n)
		die("submit");
	while (n--) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(&ring, &cqe))
			die("wait");
		check(cqe->res == (int)PIECE, "%s: %d", write ? "write" : "read", cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}
}

static void test_round(unsigned int round)
{
	const size_t part = PIECES * PIECE;
	static unsigned char *ref, *sent[BUFFERS];
	unsigned int d, b, from = 1 + round % (BUFFERS - 1);

	if (!ref)
		ref = aligned(part);
	for (b = 0; b < BUFFERS; b++) {
		if (!sent[b])
			sent[b] = aligned(bufs[b].size);
		fill(bufs[b].map, bufs[b].size, round * BUFFERS + b + 1);
		memcpy(sent[b], bufs[b].map, bufs[b].size);
	}
	submit_all(true, 0);
	for (d = 0; d < nr_drives; d++) {
		for (b = 0; b < BUFFERS; b++) {
			dev_pread(drives[d], ref, part, place(b, 0));
			check(!memcmp(ref, sent[b] + place(d, 0), part),
			      "drive %u: not what buffer %u had", d, b);
		}
	}

	for (b = 0; b < BUFFERS; b++)
		memset(bufs[b].map, POISON, bufs[b].size);
	submit_all(false, from);
	for (d = 0; d < nr_drives; d++) {
		for (b = 0; b < BUFFERS; b++)
			check(!memcmp(bufs[b].map + place(d, 0),
				      sent[(b + from) % BUFFERS] + place(d, 0), part),
			      "buffer %u: not what drive %u had", b, d);
	}
}

int main(int argc, char **argv)
{
	unsigned int d, b, round;
	size_t size;

	if (argc < 2 || argc > 1 + MAX_DRIVES)
		die("usage: %s DEVICE...", argv[0]);
	nr_drives = argc - 1;
	size = nr_drives * PIECES * PIECE;
	dmabuf_test_load();
	dmabuf_create(&bufs[0], size);
	dmabuf_pages(&bufs[1], size, 0);
	dmabuf_pages(&bufs[2], size, 3);
	ring_create(&ring, 256, 0, nr_drives * BUFFERS);
	for (d = 0; d < nr_drives; d++) {
		drives[d] = dev_open(argv[1 + d]);
		for (b = 0; b < BUFFERS; b++)
			check(regbuf_dmabuf(&ring, d * BUFFERS + b, bufs[b].fd, drives[d]) == 1,
			      "register");
	}

	for (round = 0; round < 10; round++) {
		dmabuf_set(&bufs[1], "move", 1);
		test_round(round);
	}

	io_uring_queue_exit(&ring);
	for (b = 0; b < BUFFERS; b++) {
		if (b)
			dmabuf_settle(&bufs[b]);
		dmabuf_destroy(&bufs[b]);
	}
	nothing_left();
	return t_done();
}
