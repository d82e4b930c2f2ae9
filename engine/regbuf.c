// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring's table of registered buffers.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "regbuf.h"
#include "uapi.h"

/* Bit of a process' capabilities: CAP_IPC_LOCK. */
#define IPC_LOCK	14
/* The inode of the first user namespace (the kernel's PROC_USER_INIT_INO). */
#define FIRST_USER_NS	"user:[4026531837]"

/* One descriptor a call: a partial success would hide the errno of the one that failed. */
static int update_slot(struct io_uring *uring, unsigned int slot,
		       const struct io_uring_regbuf_desc *desc)
{
	struct regbuf_update up = {
		.offset = slot,
		.flags = IORING_RSRC_UPDATE_EXTENDED,
		.data = (uintptr_t)desc,
		.nr = 1,
	};
	int ret;

	ret = io_uring_register(uring->ring_fd, IORING_REGISTER_BUFFERS_UPDATE, &up, sizeof(up));
	if (ret < 0)
		return ret;
	return ret == 1 ? 0 : -EIO;
}

enum regbuf_support regbuf_probe(struct why *why)
{
	struct io_uring_regbuf_desc desc = { .type = IO_REGBUF_TYPE_EMPTY };
	enum regbuf_support support = REGBUF_NO_EXTENDED;
	struct ring_conf conf = { .depth = 1 };
	struct ring ring = { 0 };
	int ret;

	if (ring_init(&ring, &conf, why) < 0)
		return REGBUF_NO_IO_URING;

	ret = io_uring_register_buffers_sparse(&ring.uring, 1);
	if (!ret)
		ret = update_slot(&ring.uring, 0, &desc);
	if (ret) {
		why_set(why, ret, "this kernel cannot register dma-bufs with io_uring: "
			"Linux 7.4 or later can, and 6.12 and 7.3 with the patches in kernel/patches");
		goto out;
	}

	desc.type = IO_REGBUF_TYPE_DMABUF;
	desc.dmabuf_fd = -1;
	desc.target_fd = -1;
	ret = update_slot(&ring.uring, 0, &desc);
	if (ret == -EBADF) {
		support = REGBUF_SUPPORTED;
	} else if (ret == -EOPNOTSUPP) {
		support = REGBUF_DISABLED;
		why_set(why, ret, "this kernel was configured without registered dma-bufs: "
			"CONFIG_DMA_SHARED_BUFFER is needed (and CONFIG_DMABUF_IO, where it is patched)");
	} else {
		support = REGBUF_NO_DMABUF;
		why_set(why, ret, "this kernel knows extended registered buffers, but not dma-bufs "
			"as such (io_uring_register: %s)", strerror(-ret));
	}
out:
	ring_exit(&ring);
	return support;
}

int regbuf_table(struct ring *ring, unsigned int nr, struct why *why)
{
	int ret;

	if (nr > REGBUF_MAX_SLOTS)
		return why_set(why, -EINVAL, "%u registered buffers are needed, "
			       "io_uring has %u at most", nr, REGBUF_MAX_SLOTS);

	ret = io_uring_register_buffers_sparse(&ring->uring, nr);
	if (ret == -EINVAL)
		return why_set(why, ret, "io_uring_register_buffers_sparse: unknown to this "
			       "kernel; Linux 5.19 or later is needed");
	if (ret < 0)
		return why_set(why, ret, "io_uring_register_buffers_sparse: %s", strerror(-ret));
	return 0;
}

bool regbuf_unlimited(void)
{
	unsigned long long caps = 0;
	char line[128] = "";
	FILE *f;

	/* the capability of a container that has users of its own does not count */
	if (readlink("/proc/self/ns/user", line, sizeof(line) - 1) > 0 &&
	    strcmp(line, FIRST_USER_NS))
		return false;
	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	}
	if (f)
		fclose(f);
	return caps >> IPC_LOCK & 1;
}

/* Either kind of memory is charged to the user, each time that it is registered. */
static int explain_memory(unsigned long long all, struct why *why)
{
	unsigned long long has, kib = (all + 1023) >> 10;
	struct rlimit limit;

	if (regbuf_unlimited() || getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    limit.rlim_cur == RLIM_INFINITY)
		return why_set(why, -ENOMEM, "io_uring_register: no memory to pin %llu KiB", kib);
	has = limit.rlim_cur >> 10;
	if (kib <= has)
		return why_set(why, -ENOMEM, "io_uring_register: %llu KiB are to be pinned, but of "
			       "the limit on locked memory, %llu KiB, other jobs or programs of "
			       "this user have a part; raise it (ulimit -l %llu) or run as root",
			       kib, has, has + kib);
	return why_set(why, -ENOMEM, "io_uring_register: %llu KiB are to be pinned, but the limit "
		       "on locked memory is %llu KiB; raise it (ulimit -l %llu) or run as root",
		       kib, has, kib);
}

int regbuf_user(struct ring *ring, unsigned int slot, void *addr, size_t len,
		unsigned long long all, struct why *why)
{
	struct iovec iov = { .iov_base = addr, .iov_len = len };
	int ret;

	ret = io_uring_register_buffers_update_tag(&ring->uring, slot, &iov, NULL, 1);
	if (ret == 1)
		return 0;
	if (ret == -ENOMEM)
		return explain_memory(all, why);
	if (ret >= 0)
		ret = -EIO;
	return why_set(why, ret, "io_uring_register: %zu bytes at %p: %s", len, addr,
		       strerror(-ret));
}

/* The kernel answers in a handful of numbers; these are the sentences behind them. */
static int explain_dmabuf(int err, const struct ring *ring, off_t size, const char *target,
			  struct why *why)
{
	struct why probe;

	switch (err) {
	case -EOPNOTSUPP:
		if (ring->setup_flags & IORING_SETUP_IOPOLL)
			return why_set(why, err, "a polled ring (hipri=1) takes no dma-buf");
		return why_set(why, err, "%s: its driver cannot do I/O with a dma-buf: NVMe drives "
			       "can; loop, device mapper, MD, NVMe multipath heads and files "
			       "cannot", target);
	case -EINVAL:
		if (regbuf_probe(&probe) != REGBUF_SUPPORTED)
			return why_set(why, err, "%s", probe.text);
		if (size > (off_t)REGBUF_MAX_DMABUF)
			return why_set(why, err, "a dma-buf of %lld bytes: io_uring takes at most "
				       "%lu", (long long)size, REGBUF_MAX_DMABUF);
		break;
	}
	return why_set(why, err, "%s: io_uring_register: the dma-buf was refused: %s; if it is of "
		       "the memory of a GPU or another device, fio-dmabuf probe says which drives "
		       "reach that (peer_to_peer)", target, strerror(-err));
}

int regbuf_dmabuf(struct ring *ring, unsigned int slot, int dmabuf_fd, int target_fd,
		  const char *target, unsigned long long all, struct why *why)
{
	struct io_uring_regbuf_desc desc = {
		.type = IO_REGBUF_TYPE_DMABUF,
		.dmabuf_fd = dmabuf_fd,
		.target_fd = target_fd,
	};
	int ret;

	ret = update_slot(&ring->uring, slot, &desc);
	if (ret == -ENOMEM)
		return explain_memory(all, why);
	if (ret)
		return explain_dmabuf(ret, ring, lseek(dmabuf_fd, 0, SEEK_END), target, why);
	return 0;
}
