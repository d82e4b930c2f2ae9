/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private copies of the kernel's user API for extended registered buffers, for
 * systems whose headers do not have it yet. The layouts are asserted in any case.
 */
#ifndef FIO_DMABUF_UAPI_H
#define FIO_DMABUF_UAPI_H

#include <liburing.h>
#include <stddef.h>

#ifndef CONFIG_HAVE_REGBUF_DESC

enum io_uring_regbuf_type {
	IO_REGBUF_TYPE_EMPTY,
	IO_REGBUF_TYPE_UADDR,
	IO_REGBUF_TYPE_DMABUF,
};

struct io_uring_regbuf_desc {
	__u32 type;
	__u32 flags;
	__u64 size;
	__u64 uaddr;
	__s32 dmabuf_fd;
	__s32 target_fd;
	__u64 reserved[6];
};

#define IORING_RSRC_UPDATE_EXTENDED	(1U << 1)

#endif /* CONFIG_HAVE_REGBUF_DESC */

/*
 * The argument of IORING_REGISTER_BUFFERS_UPDATE in its extended form. It is
 * struct io_uring_rsrc_update2, whose second word older headers call resv.
 */
struct regbuf_update {
	__u32 offset;
	__u32 flags;
	__aligned_u64 data;
	__aligned_u64 tags;
	__u32 nr;
	__u32 resv2;
};

_Static_assert(sizeof(struct io_uring_regbuf_desc) == 80, "regbuf_desc");
_Static_assert(offsetof(struct io_uring_regbuf_desc, size) == 8, "regbuf_desc.size");
_Static_assert(offsetof(struct io_uring_regbuf_desc, uaddr) == 16, "regbuf_desc.uaddr");
_Static_assert(offsetof(struct io_uring_regbuf_desc, dmabuf_fd) == 24, "regbuf_desc.dmabuf_fd");
_Static_assert(offsetof(struct io_uring_regbuf_desc, target_fd) == 28, "regbuf_desc.target_fd");
_Static_assert(sizeof(struct regbuf_update) == sizeof(struct io_uring_rsrc_update2), "update2");
_Static_assert(offsetof(struct regbuf_update, data) == 8, "update2.data");
_Static_assert(offsetof(struct regbuf_update, nr) == 24, "update2.nr");

#endif
