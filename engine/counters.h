/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a job did, as one line of JSON.
 */
#ifndef FIO_DMABUF_COUNTERS_H
#define FIO_DMABUF_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "mismatch.h"
#include "ring.h"
#include "why.h"

/**
 * struct counters - what a job did
 * @ios: completed I/Os
 * @bytes: bytes they moved
 * @eagain: completions with EAGAIN, each of which is reissued or ends its I/O
 * @shorts: I/Os that moved fewer bytes than asked for
 * @errors: I/Os that failed; those that never got to the kernel are not among @ios
 * @mismatches: I/Os whose data was found wrong
 * @classes: those of @mismatches that are wrong in each way
 */
struct counters {
	uint64_t ios;
	uint64_t bytes;
	uint64_t eagain;
	uint64_t shorts;
	uint64_t errors;
	uint64_t mismatches;
	uint64_t classes[NR_MISMATCHES];
};

/**
 * struct counters_job - which job it was
 * @job: its name
 * @thread: its number, from 1
 * @arm: the arm
 * @exporter: who made the dma-buf, "none" where there is none
 * @memory: what the pool's memory is
 * @device: the node of the graphics device that it is of, or empty
 * @pool_bytes: the pool's size
 * @dmabufs: dma-bufs that it is made of
 * @buffers: I/O units cut from it
 * @ring: its ring
 */
struct counters_job {
	const char *job;
	unsigned int thread;
	const char *arm;
	const char *exporter;
	const char *memory;
	const char *device;
	size_t pool_bytes;
	unsigned int dmabufs;
	unsigned int buffers;
	const struct ring *ring;
};

/**
 * counters_open - open the file that counters are appended to
 * @path: created if it does not exist; else a regular file, or a device that keeps nothing
 * @why: the reason of a failure
 *
 * Return: a descriptor, or a negative errno.
 */
int counters_open(const char *path, struct why *why);

/**
 * counters_write - append one line, in a single write
 * @fd: from counters_open()
 * @job: which job
 * @c: what it did
 *
 * Jobs that share the file do not cut into each other's lines.
 *
 * Return: 0, or a negative errno.
 */
int counters_write(int fd, const struct counters_job *job, const struct counters *c);

#endif
