/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a job has, for those parts of the engine that know fio: its files, its buffers and their
 * data, and, in dmabuf.c, the requests.
 */
#ifndef FIO_DMABUF_JOB_H
#define FIO_DMABUF_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "compat.h"
#include "counters.h"
#include "options.h"
#include "pool.h"
#include "ring.h"

/* Kept out of line, so that the path of every I/O saves no registers for it. */
#define slow_path	__attribute__((noinline, cold))

/* A file of the job. */
struct target {
	int held_fd;		/* open from post_init to cleanup, or -1 */
	int shadow_fd;		/* which fio opened besides, likewise */
	int compare_fd;		/* for compare=1, or -1 */
	int sqe_fd;		/* what a request names it by */
	unsigned int slot;	/* first slot for I/O with it */
};

/* What is kept for each io_u, by its index. */
struct unit {
	uintptr_t base;		/* what a request's address counts from */
	unsigned int slot;	/* of the target's slots, the one its memory is in */
	int retries;
};

/* How a direction is done. */
struct op {
	bool slow;		/* more has to happen than filling in a request */
	struct io_uring_sqe sqe;	/* all of it that does not depend on the I/O */
};

#define NR_OPS	16		/* more than any fio has directions */

struct dmabuf_data {
	/* hot: read for each I/O */
	struct ring ring;
	struct op ops[NR_OPS];	/* by direction */
	struct unit *units;
	struct io_u **pending;	/* queued, but not yet committed */
	unsigned int queued;
	bool times;		/* of issue are wanted */
	bool defer;		/* what fills the queue is submitted with the wait */
	bool deferred;		/* and that is due */
	struct io_u **events;	/* reaped, but not yet fetched */
	unsigned int reissued;	/* prepared again, but not yet submitted */
	bool inspect;		/* completions are looked at, or copied */
	struct counters counters;

	/* cold */
	struct io_u **io_us;	/* by index */
	unsigned int nr_io_us;
	struct pool pool;
	struct target *targets;
	unsigned int nr_targets;
	bool hold;		/* files stay open: the open file stays the registered one */
	bool running;		/* post_init has succeeded */
	struct op async_ops[2];	/* read and write, as force_async=N has every Nth */
	int until_async;
	bool copy_in;		/* the pool has a shadow, and each write comes from it */
	bool copy_out;		/* likewise, and each read goes there */
	uint64_t poison_seq;
	uint64_t *poisons;	/* for poison=1, by index */
	void *scratch;		/* for compare=1 */
	unsigned int pieces;	/* of MISMATCH_PIECE bytes, of a unit */
	uint64_t *held;		/* by index and piece, what the unit held before its I/O */
	uint64_t *stored;	/* likewise, what the drive held where it writes */
	int counters_fd;
};

#endif
