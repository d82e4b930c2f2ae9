/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring's table of registered buffers: what its slots are backed by, and what
 * the kernel can back them by.
 */
#ifndef FIO_DMABUF_REGBUF_H
#define FIO_DMABUF_REGBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "ring.h"
#include "why.h"

/* The kernel's limits: slots in a table, and bytes of user memory or of a dma-buf in one slot. */
#define REGBUF_MAX_SLOTS	(1U << 14)
#define REGBUF_MAX_USER		(1UL << 30)
#define REGBUF_MAX_DMABUF	(2UL << 30)

/**
 * enum regbuf_support - what this kernel can do with a dma-buf in a slot
 * @REGBUF_SUPPORTED: register it
 * @REGBUF_NO_IO_URING: there is no io_uring, or it may not be used
 * @REGBUF_NO_EXTENDED: the extended form of the update call is unknown
 * @REGBUF_NO_DMABUF: the form is known, but not the dma-buf type
 * @REGBUF_DISABLED: it was left out of the kernel's configuration
 */
enum regbuf_support {
	REGBUF_SUPPORTED,
	REGBUF_NO_IO_URING,
	REGBUF_NO_EXTENDED,
	REGBUF_NO_DMABUF,
	REGBUF_DISABLED,
};

/**
 * regbuf_probe - ask the kernel whether slots can be backed by dma-bufs
 * @why: what is missing, where the answer is no
 *
 * Needs no dma-buf and no device, and uses a small ring of its own. Whether one
 * device can be a target only a registration with it can tell.
 *
 * Return: what the kernel can do.
 */
enum regbuf_support regbuf_probe(struct why *why);

/**
 * regbuf_table - give a ring a table of empty slots
 * @ring: a ring that has no table
 * @nr: number of slots
 * @why: the reason of a failure
 *
 * Return: 0, or a negative errno.
 */
int regbuf_table(struct ring *ring, unsigned int nr, struct why *why);

/**
 * regbuf_unlimited - may this process pin any amount of memory?
 *
 * Return: true if the kernel charges it for none (CAP_IPC_LOCK).
 */
bool regbuf_unlimited(void);

/**
 * regbuf_user - back a slot by user memory, which the kernel pins
 * @ring: a ring that has a table
 * @slot: an empty slot
 * @addr: start of the memory
 * @len: its length, at most REGBUF_MAX_USER
 * @all: bytes in all slots, of the caller's and of its like that run at the same time, which is
 *       what a user has to be allowed to pin
 * @why: the reason of a failure
 *
 * Requests then give addresses in that memory.
 *
 * Return: 0, or a negative errno.
 */
int regbuf_user(struct ring *ring, unsigned int slot, void *addr, size_t len,
		unsigned long long all, struct why *why);

/**
 * regbuf_dmabuf - back a slot by a dma-buf, for I/O with one target
 * @ring: a ring that has a table
 * @slot: an empty slot
 * @dmabuf_fd: the dma-buf
 * @target_fd: a block device opened with O_DIRECT; requests must use the same open file
 * @target: its name, for messages
 * @all: bytes in all slots, as above: a dma-buf counts anew for each target
 * @why: the reason of a failure
 *
 * Requests then give byte offsets into the dma-buf instead of addresses.
 *
 * Return: 0, or a negative errno.
 */
int regbuf_dmabuf(struct ring *ring, unsigned int slot, int dmabuf_fd, int target_fd,
		  const char *target, unsigned long long all, struct why *why);

#endif
