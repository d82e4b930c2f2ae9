/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One io_uring: set-up, submission, reaping. Knows nothing of fio or of dma-bufs.
 */
#ifndef FIO_DMABUF_RING_H
#define FIO_DMABUF_RING_H

#include <liburing.h>
#include <stdbool.h>

#include "why.h"

/* The kernel's limit on the size of a submission queue. */
#define RING_MAX_DEPTH	32768

/**
 * struct ring_conf - what kind of ring is wanted
 * @depth: most requests in flight at a time
 * @iopoll: poll for completions (IORING_SETUP_IOPOLL)
 * @sqpoll: a kernel thread submits (IORING_SETUP_SQPOLL)
 * @sqpoll_pinned: that thread runs on @sqpoll_cpu
 * @sqpoll_cpu: a CPU number
 */
struct ring_conf {
	unsigned int depth;
	bool iopoll;
	bool sqpoll;
	bool sqpoll_pinned;
	unsigned int sqpoll_cpu;
};

/**
 * struct ring - an io_uring
 * @uring: liburing's view of it
 * @live: it is set up
 * @sqpoll: a kernel thread submits
 * @setup_flags: the IORING_SETUP_* flags that the kernel accepted
 * @enters: calls of io_uring_enter(2), but for those that wake a submitting thread
 */
struct ring {
	struct io_uring uring;
	bool live;
	bool sqpoll;
	unsigned int setup_flags;
	unsigned long enters;
};

/**
 * ring_init - set up a ring
 * @ring: zeroed
 * @conf: what kind
 * @why: the reason of a failure
 *
 * To be called by the task that will submit: the ring is made for a single
 * issuer with deferred task work where the kernel can do that, else with
 * cooperative task work, else plain.
 *
 * Return: 0, or a negative errno.
 */
int ring_init(struct ring *ring, const struct ring_conf *conf, struct why *why);

/**
 * ring_exit - take a ring down
 * @ring: may be one that was never set up
 */
void ring_exit(struct ring *ring);

/**
 * ring_flag_name - name of a set-up flag that was accepted
 * @ring: a ring
 * @nth: counts from 0
 *
 * Return: the name, in lower case and without prefix, or NULL after the last.
 */
const char *ring_flag_name(const struct ring *ring, unsigned int nth);

/**
 * ring_submit - hand all prepared requests to the kernel
 * @ring: a ring
 *
 * Completions that are ready are made visible by the same system call.
 *
 * Return: 0 when all were taken, or a negative errno.
 */
int ring_submit(struct ring *ring);

/**
 * ring_wait - submit what is prepared, and wait for completions
 * @ring: a ring
 * @nr: how many completions to wait for; 0 only makes visible what is ready, and submits nothing
 *
 * Return: 0, or a negative errno. May return early, on a signal, and always does with a
 * submitting kernel thread, where the caller polls: look, and call again.
 */
int ring_wait(struct ring *ring, unsigned int nr);

#endif
