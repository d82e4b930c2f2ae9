/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The user API of the module dmabuf_test: what /dev/dmabuf_test exports.
 */
#ifndef DMABUF_TEST_H
#define DMABUF_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct dmabuf_test_pages - a dma-buf of pages that move on demand
 * @size: in bytes, a multiple of the chunk; 0 is allowed, importers must cope
 * @order: log2 of the pages in a chunk. Chunks are contiguous memory, and lie
 *	in no order.
 * @reserved: must be 0
 * @fd: returns the dma-buf
 * @id: returns the name of the buffer's folder in debugfs
 */
struct dmabuf_test_pages {
	__u64 size;
	__u32 order;
	__u32 reserved;
	__s32 fd;
	__u32 id;
};

/* Hand out bus addresses, as if a switch routed them, and map nothing. */
#define DMABUF_TEST_BAR_BUS_ADDRESS	(1U << 0)

/**
 * struct dmabuf_test_bar - a dma-buf of a piece of a PCI device's memory
 * @offset: where in the BAR the dma-buf starts
 * @size: in bytes; 0 for the rest of the BAR. Neither need be aligned.
 * @domain: of the PCI function, which must have no driver
 * @bus: likewise
 * @devfn: likewise: device << 3 | function
 * @bar: 0 to 5
 * @flags: DMABUF_TEST_BAR_*
 * @reserved: must be 0
 * @fd: returns the dma-buf
 * @id: returns the name of the buffer's folder in debugfs
 */
struct dmabuf_test_bar {
	__u64 offset;
	__u64 size;
	__u32 domain;
	__u32 bus;
	__u32 devfn;
	__u32 bar;
	__u32 flags;
	__u32 reserved;
	__s32 fd;
	__u32 id;
};

#define DMABUF_TEST_PAGES	_IOWR('d', 0x60, struct dmabuf_test_pages)
#define DMABUF_TEST_BAR		_IOWR('d', 0x61, struct dmabuf_test_bar)

#endif
