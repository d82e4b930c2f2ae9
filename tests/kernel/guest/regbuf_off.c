// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that was configured without registered dma-bufs: the extended call
 * works, a dma-buf is answered with EOPNOTSUPP, whatever it is.
 *
 * regbuf_off DEVICE
 */
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
	struct io_uring_regbuf_desc desc = { .type = IO_REGBUF_TYPE_EMPTY };
	unsigned char *memory, *ref;
	struct io_uring ring;
	struct dmabuf buf;
	int dev, ret;

	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	dev = dev_open(argv[1]);
	dmabuf_create(&buf, 65536);
	ring_create(&ring, 4, 0, 1);

	ret = regbuf_update(&ring, 0, &desc, 1, NULL);
	check(ret == 1, "an empty slot: %d", ret);
	ret = regbuf_dmabuf(&ring, 0, -1, -1);
	check(ret == -EOPNOTSUPP, "the probe's closed descriptors: %d", ret);
	ret = regbuf_dmabuf(&ring, 0, buf.fd, dev);
	check(ret == -EOPNOTSUPP, "a dma-buf: %d", ret);

	memory = aligned(4096);
	ref = aligned(4096);
	fill(ref, 4096, 1);
	dev_pwrite(dev, ref, 4096, 0);
	desc.type = IO_REGBUF_TYPE_UADDR;
	desc.uaddr = (uintptr_t)memory;
	desc.size = 4096;
	ret = regbuf_update(&ring, 0, &desc, 1, NULL);
	check(ret == 1, "memory: %d", ret);
	ret = do_rw(&ring, false, dev, 0, (uintptr_t)memory, 4096, 0, 0);
	check(ret == 4096, "I/O with it: %d", ret);
	check(!memcmp(memory, ref, 4096), "wrong data");

	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
	nothing_left();
	return t_done();
}
