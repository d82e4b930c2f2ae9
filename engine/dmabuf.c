// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf engine
 *
 * I/O through io_uring with buffers that are dma-bufs, kept mapped for the device,
 * and, by the same code, with ordinary registered and plain buffers to compare with.
 *
 * The arm decides what the job's pool is made of, what backs the slots of the ring's
 * buffer table, and what the requests look like. Nothing else depends on it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "counters.h"
#include "inspect.h"
#include "options.h"
#include "pool.h"
#include "regbuf.h"
#include "ring.h"

#define unlikely(x)	__builtin_expect(!!(x), 0)
/* Kept out of line, so that the path of every I/O saves no registers for it. */
#define slow_path	__attribute__((noinline, cold))

/* A file of the job. */
struct target {
	int held_fd;		/* open from post_init to cleanup, or -1 */
	int compare_fd;		/* for compare=1, or -1 */
	int sqe_fd;		/* what a request names it by */
	unsigned int slot;	/* first slot for I/O with it */
};

/* What is kept for each io_u, by its index. */
struct unit {
	uintptr_t base;		/* what a request's address counts from */
	unsigned int slot;	/* of the target's slots, the one its memory is in */
	unsigned int retries;
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
	unsigned int until_async;
	bool copy_in;		/* the pool has a shadow, and each write comes from it */
	bool copy_out;		/* likewise, and each read goes there */
	uint64_t poison_seq;
	uint64_t *poisons;	/* for poison=1, by index */
	void *scratch;		/* for compare=1 */
	int counters_fd;
};

/*
 * Called in the parent, before any job starts. An engine that has this hook finds the
 * sizes of the files too.
 */
static int fio_dmabuf_setup(struct thread_data *td)
{
	struct fio_file *f;
	unsigned int i;

	if (compat_guard(td) || options_check(td))
		return 1;

	for_each_file(td, f, i) {
		if (td_io_get_file_size(td, f)) {
			/* one that does not exist yet will be laid out */
			if (td->error != ENOENT)
				return complain(td, -td->error, "filename=%s: %s", f->file_name,
						strerror(td->error));
			td_clear_error(td);
			td->verror[0] = '\0';
		}
		if (f->real_file_size == -1ULL && td->o.size)
			f->real_file_size = td->o.size / td->o.nr_files;
	}
	return 0;
}

static int fio_dmabuf_init(struct thread_data *td)
{
	struct dmabuf_options *o = td->eo;
	struct dmabuf_data *dd;

	if (compat_guard(td) || options_check(td))
		return 1;

	dd = calloc(1, sizeof(*dd));
	if (!dd)
		return complain(td, -ENOMEM, "no memory");
	dd->counters_fd = -1;
	td->io_ops_data = dd;

	dd->io_us = calloc(td->o.iodepth, sizeof(*dd->io_us));
	dd->pending = calloc(td->o.iodepth, sizeof(*dd->pending));
	dd->events = calloc(td->o.iodepth, sizeof(*dd->events));
	dd->units = calloc(td->o.iodepth, sizeof(*dd->units));
	if (!dd->io_us || !dd->pending || !dd->events || !dd->units)
		return complain(td, -ENOMEM, "no memory for iodepth=%u", td->o.iodepth);

	dd->hold = o->registerfiles || o->arm == ARM_DMABUF;
	dd->inspect = o->poison || o->compare;
	dd->poison_seq = inspect_seed();

	/* the thread's submission takes no time of the job's that could be logged */
	if (o->sqpoll)
		td->o.disable_slat = 1;
	return 0;
}

/* Part of the guard: fio numbers its units in order, where io_u is laid out as we think. */
static int fio_dmabuf_io_u_init(struct thread_data *td, struct io_u *io_u)
{
	struct dmabuf_data *dd = td->io_ops_data;

	if (dd->nr_io_us == td->o.iodepth || io_u->index != dd->nr_io_us)
		return complain(td, -EPROTO, "built for another %s than the one that loaded it: "
				"struct io_u differs; run ./configure and make again",
				CONFIG_FIO_VERSION);
	dd->io_us[dd->nr_io_us++] = io_u;
	return 0;
}

/* What fio adds to the units is for memory that is not aligned. */
static int fio_dmabuf_iomem_alloc(struct thread_data *td, size_t fio_unused total)
{
	struct dmabuf_options *o = td->eo;
	struct dmabuf_data *dd = td->io_ops_data;
	struct pool_shape shape = {
		.unit = td_max_bs(td),
		.nr = td->o.iodepth,
		.lead = td->o.mem_align,
		.most = o->arm == ARM_DMABUF ? REGBUF_MAX_DMABUF : SIZE_MAX,
	};
	struct want want = { 0 };
	const struct exporter *source;
	struct why why;
	int ret;

	source = options_source(td, &want);
	ret = pool_alloc(&dd->pool, source, want, &shape, &why);
	if (ret && o->arm == ARM_DMABUF)
		return complain(td, ret, "exporter=%s: %s", options_exporter(o), why.text);
	if (ret)
		return complain(td, ret, "memory=%s: %s", options_memory(o), why.text);
	td->orig_buffer = dd->pool.cpu;
	return 0;
}

static int open_compare_fd(struct thread_data *td, struct fio_file *f, struct target *t)
{
	struct dmabuf_options *o = td->eo;
	int flags = O_RDONLY | O_CLOEXEC | (td->o.odirect ? O_DIRECT : 0);

	if (!o->compare)
		return 0;
	t->compare_fd = open(f->file_name, flags);
	if (t->compare_fd < 0)
		return complain(td, -errno, "compare=1: open(%s): %s", f->file_name,
				strerror(errno));
	return 0;
}

static int fio_dmabuf_open_file(struct thread_data *td, struct fio_file *f)
{
	struct dmabuf_data *dd = td->io_ops_data;
	struct target *t = dd ? FILE_ENG_DATA(f) : NULL;
	int ret;

	/* before post_init: for the file's size, or to lay it out */
	if (!t)
		return generic_open_file(td, f);
	if (dd->hold) {
		f->fd = t->held_fd;
		return 0;
	}

	ret = generic_open_file(td, f);
	if (ret)
		return ret;
	if (open_compare_fd(td, f, t)) {
		ret = generic_close_file(td, f);
		return 1;
	}
	t->sqe_fd = f->fd;
	return 0;
}

static int fio_dmabuf_close_file(struct thread_data *td, struct fio_file *f)
{
	struct dmabuf_data *dd = td->io_ops_data;
	struct target *t = dd ? FILE_ENG_DATA(f) : NULL;

	if (t && dd->hold) {
		f->fd = -1;
		return 0;
	}
	if (t && t->compare_fd >= 0) {
		close(t->compare_fd);
		t->compare_fd = -1;
	}
	return generic_close_file(td, f);
}

/*
 * A dma-buf is registered for one open file, and requests must use the very same, as
 * must those of a registered file. So open all now, let fio believe that they are
 * closed, and give it the same descriptor each time it opens them. As in fio's
 * io_uring engine.
 */
static int hold_files(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;
	struct fio_file *f;
	unsigned int i;
	int *fds, ret;

	for_each_file(td, f, i) {
		struct target *t = &dd->targets[i];

		if (generic_open_file(td, f))
			return complain(td, td->error ? -td->error : -EIO, "filename=%s: cannot be "
					"opened", f->file_name);
		t->held_fd = f->fd;
		t->sqe_fd = o->registerfiles ? (int)i : f->fd;
		f->fd = -1;
		if (open_compare_fd(td, f, t))
			return 1;
	}
	if (!o->registerfiles)
		return 0;

	fds = calloc(dd->nr_targets, sizeof(*fds));
	if (!fds)
		return complain(td, -ENOMEM, "no memory");
	for (i = 0; i < dd->nr_targets; i++)
		fds[i] = dd->targets[i].held_fd;
	ret = io_uring_register_files(&dd->ring.uring, fds, dd->nr_targets);
	free(fds);
	if (ret < 0)
		return complain(td, ret, "registerfiles=1: io_uring_register_files of %u files: %s",
				dd->nr_targets, strerror(-ret));
	return 0;
}

/*
 * arm=dmabuf: a slot for each file and dma-buf, as a slot serves one target. A target's slots
 * follow on each other.
 */
static int register_dmabuf(struct thread_data *td, struct dmabuf_data *dd)
{
	unsigned int nr = dd->pool.nr_pieces;
	struct fio_file *f;
	struct why why;
	unsigned int i;
	int ret;

	ret = regbuf_table(&dd->ring, dd->nr_targets * nr, &why);
	if (ret)
		return complain(td, ret, "arm=dmabuf: %s", why.text);

	for_each_file(td, f, i) {
		struct target *t = &dd->targets[i];

		t->slot = i * nr;
		for (unsigned int p = 0; p < nr; p++) {
			ret = regbuf_dmabuf(&dd->ring, t->slot + p, dd->pool.pieces[p].dmabuf_fd,
					    t->held_fd, f->file_name, &why);
			if (ret)
				return complain(td, ret, "arm=dmabuf: %s", why.text);
		}
	}
	/* addresses are offsets into the dma-buf */
	for (i = 0; i < dd->nr_io_us; i++) {
		unsigned int piece = pool_piece(&dd->pool, i);

		dd->units[i].slot = piece;
		dd->units[i].base = (uintptr_t)dd->pool.pieces[piece].cpu;
	}
	return 0;
}

/*
 * arm=fixed: one slot for the pool, as one dma-buf has, or several where it is larger
 * than a slot can be. They are cut between units, so that each unit is in one slot.
 */
static int register_fixed(struct thread_data *td, struct dmabuf_data *dd)
{
	char *end = (char *)dd->pool.cpu + dd->pool.size;
	size_t bs = td_max_bs(td);
	size_t slack = dd->pool.size - bs * dd->nr_io_us;
	unsigned int per, nr;
	struct why why;
	int ret;

	if (slack + bs > REGBUF_MAX_USER)
		return complain(td, -EINVAL, "bs=%zu: with an iomem_align this large, not one unit "
				"fits into a registered buffer of %lu bytes", bs, REGBUF_MAX_USER);
	per = (REGBUF_MAX_USER - slack) / bs;
	nr = (dd->nr_io_us + per - 1) / per;

	ret = regbuf_table(&dd->ring, nr, &why);
	if (ret)
		return complain(td, ret, "arm=fixed: %s", why.text);

	for (unsigned int i = 0; i < nr; i++) {
		char *from = i ? dd->io_us[i * per]->buf : dd->pool.cpu;
		char *to = i + 1 < nr ? (char *)dd->io_us[(i + 1) * per]->buf : end;

		ret = regbuf_user(&dd->ring, i, from, to - from, &why);
		if (ret)
			return complain(td, ret, "arm=fixed: %s", why.text);
	}
	for (unsigned int i = 0; i < dd->nr_io_us; i++)
		dd->units[i].slot = i / per;
	return 0;
}

/* Bring what the CPU sees of a unit, and what devices do, in line. */
static int copy_unit(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u, size_t len,
		     bool in)
{
	struct buffer *piece = &dd->pool.pieces[pool_piece(&dd->pool, io_u->index)];
	size_t at = (char *)io_u->xfer_buf - (char *)piece->cpu;
	const struct copier *copier = piece->copier;
	struct why why;
	int ret;

	ret = in ? copier->in(piece, at, len, &why) : copier->out(piece, at, len, &why);
	if (ret)
		complain(td, ret, "exporter=%s: %s", options_exporter(td->eo), why.text);
	return ret;
}

/*
 * Where the CPU has but a shadow of the pool, it is copied only if somebody looks at the data. A
 * write does if fio gives it new data; that it scrambles the old a little, which is its default,
 * is left out unless asked for, and the data goes to the pool once.
 */
static int prepare_shadow(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;

	if (!dd->pool.pieces[0].copier)
		return 0;
	if (!fio_option_is_set(&td->o, scramble_buffers))
		td->flags &= ~TD_F_SCRAMBLE_BUFFERS;

	dd->copy_in = td->flags & (TD_F_DO_VERIFY | TD_F_REFILL_BUFFERS | TD_F_SCRAMBLE_BUFFERS);
	dd->copy_out = (td->flags & TD_F_DO_VERIFY) || o->poison || o->compare;
	dd->inspect |= dd->copy_out;
	if (!td_write(td) || dd->copy_in)
		return 0;
	for (unsigned int i = 0; i < dd->nr_io_us; i++) {
		struct io_u *io_u = dd->io_us[i];

		io_u->xfer_buf = io_u->buf;
		if (copy_unit(td, dd, io_u, td_max_bs(td), true))
			return 1;
	}
	return 0;
}

/* Everything in a request that does not depend on the I/O. */
static void prepare_ops(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;
	bool registered = o->arm != ARM_PLAIN;
	struct io_uring_sqe common = {
		.flags = o->registerfiles ? IOSQE_FIXED_FILE : 0,
		.ioprio = td->ioprio,
		.rw_flags = o->nowait ? RWF_NOWAIT : 0,
	};
	struct op *rd = &dd->ops[DDIR_READ], *wr = &dd->ops[DDIR_WRITE];

	for (unsigned int i = 0; i < NR_OPS; i++)
		dd->ops[i].slow = true;

	rd->sqe = common;
	rd->sqe.opcode = registered ? IORING_OP_READ_FIXED : IORING_OP_READ;
	rd->slow = o->poison || o->compare || o->force_async;

	wr->sqe = common;
	wr->sqe.opcode = registered ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE;
	wr->slow = o->compare || o->force_async || dd->copy_in;

	for (unsigned int i = 0; i < 2; i++) {
		dd->async_ops[i] = dd->ops[i];
		dd->async_ops[i].sqe.flags |= IOSQE_ASYNC;
	}
	dd->until_async = o->force_async;
}

/* Part of the guard, and of not trusting that iomem_alloc() was what fio used. */
static int check_layout(struct thread_data *td, struct dmabuf_data *dd)
{
	char *start = dd->pool.cpu, *end = start + dd->pool.size;

	if (!start || td->orig_buffer != start)
		return complain(td, -EINVAL, "fio did not take its buffers from the engine's pool; "
				"leave out mem= and iomem=");
	for (unsigned int i = 0; i < td->o.iodepth; i++) {
		char *buf = i < dd->nr_io_us ? dd->io_us[i]->buf : NULL;

		if (buf < start || buf + td_max_bs(td) > end)
			return complain(td, -EPROTO, "built for another %s than the one that "
					"loaded it: a buffer lies outside the pool; run "
					"./configure and make again", CONFIG_FIO_VERSION);
	}
	return 0;
}

/*
 * fio lays its units out one after the other. Where the pool is of several pieces, they move apart,
 * so that none is in two of them, with what fio has filled them with: the last one first, as each
 * may move to where the next one was.
 */
static int spread_units(struct thread_data *td, struct dmabuf_data *dd)
{
	size_t bs = td_max_bs(td);

	if (dd->pool.nr_pieces == 1)
		return 0;
	if (dd->io_us[0]->buf != pool_unit(&dd->pool, 0))
		return complain(td, -EPROTO, "this fio lays out its buffers in a way that is not "
				"known, and the pool takes %u dma-bufs; take less iodepth or bs",
				dd->pool.nr_pieces);
	for (unsigned int i = dd->nr_io_us; i--;) {
		void *to = pool_unit(&dd->pool, i);

		memmove(to, dd->io_us[i]->buf, bs);
		dd->io_us[i]->buf = to;
	}
	return 0;
}

static int prepare_inspection(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;

	if (o->poison) {
		dd->poisons = calloc(dd->nr_io_us, sizeof(*dd->poisons));
		if (!dd->poisons)
			return complain(td, -ENOMEM, "poison=1: no memory");
	}
	if (o->compare && posix_memalign(&dd->scratch, 4096, td_max_bs(td)))
		return complain(td, -ENOMEM, "compare=1: no memory for %llu bytes",
				(unsigned long long)td_max_bs(td));
	return 0;
}

/* Called with the buffers in place, by the thread that will do the I/O. */
static int fio_dmabuf_post_init(struct thread_data *td)
{
	struct dmabuf_options *o = td->eo;
	struct dmabuf_data *dd = td->io_ops_data;
	struct ring_conf conf = {
		.depth = td->o.iodepth,
		.iopoll = o->hipri,
		.sqpoll = o->sqpoll,
		.sqpoll_pinned = o->sqpoll_pinned,
		.sqpoll_cpu = o->sqpoll_cpu,
	};
	struct fio_file *f;
	struct why why;
	unsigned int i;
	int ret;

	/* fio up to 3.33 goes on after a failed allocation, which has said why */
	if (td->error)
		return 1;
	if (moves_data(td) &&
	    (check_layout(td, dd) || spread_units(td, dd) || prepare_inspection(td, dd) ||
	     prepare_shadow(td, dd)))
		return 1;

	ret = ring_init(&dd->ring, &conf, &why);
	if (ret)
		return complain(td, ret, "%s", why.text);

	dd->nr_targets = td->o.nr_files;
	dd->targets = calloc(dd->nr_targets, sizeof(*dd->targets));
	if (!dd->targets)
		return complain(td, -ENOMEM, "no memory for %u files", dd->nr_targets);
	for_each_file(td, f, i) {
		dd->targets[i].held_fd = -1;
		dd->targets[i].compare_fd = -1;
		FILE_SET_ENG_DATA(f, &dd->targets[i]);
	}
	if (dd->hold && hold_files(td, dd))
		return 1;

	if (moves_data(td)) {
		if (o->arm == ARM_DMABUF && register_dmabuf(td, dd))
			return 1;
		if (o->arm == ARM_FIXED && register_fixed(td, dd))
			return 1;
	}
	prepare_ops(td, dd);

	if (o->counters && *o->counters) {
		dd->counters_fd = counters_open(o->counters, &why);
		if (dd->counters_fd < 0)
			return complain(td, dd->counters_fd, "%s", why.text);
	}
	dd->running = true;
	return 0;
}

static void write_counters(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;
	struct counters_job job = {
		.job = td->o.name,
		.thread = td->thread_number,
		.arm = options_arm(o),
		.exporter = options_exporter(o),
		.memory = options_memory(o),
		.pool_bytes = dd->pool.size,
		.dmabufs = o->arm == ARM_DMABUF ? dd->pool.nr_pieces : 0,
		.buffers = dd->nr_io_us,
		.ring = &dd->ring,
	};
	int ret;

	if (dd->counters_fd < 0 || !dd->running)
		return;
	ret = counters_write(dd->counters_fd, &job, &dd->counters);
	if (ret)
		complain(td, ret, "counters=%s: write: %s", o->counters, strerror(-ret));
}

/* Also called after a failed set-up, with whatever there is by then. */
static void fio_dmabuf_cleanup(struct thread_data *td)
{
	struct dmabuf_data *dd = td->io_ops_data;

	if (!dd)
		return;
	write_counters(td, dd);

	/* the ring first: it holds on to the files and to the memory */
	ring_exit(&dd->ring);
	for (unsigned int i = 0; dd->targets && i < dd->nr_targets; i++) {
		if (dd->targets[i].held_fd >= 0)
			close(dd->targets[i].held_fd);
		if (dd->targets[i].compare_fd >= 0)
			close(dd->targets[i].compare_fd);
	}
	pool_free(&dd->pool);
	if (dd->counters_fd >= 0)
		close(dd->counters_fd);
	free(dd->scratch);
	free(dd->poisons);
	free(dd->targets);
	free(dd->units);
	free(dd->events);
	free(dd->pending);
	free(dd->io_us);
	free(dd);
}

/* Overlapping I/O in flight, one of them a write, leaves nothing that could be compared. */
static bool overlaps(const struct dmabuf_data *dd, const struct io_u *io_u)
{
	for (unsigned int i = 0; i < dd->nr_io_us; i++) {
		const struct io_u *other = dd->io_us[i];

		if (other == io_u || !(other->flags & IO_U_F_FLIGHT) || other->file != io_u->file)
			continue;
		if (io_u->ddir != DDIR_WRITE && other->ddir != DDIR_WRITE)
			continue;
		if (io_u->offset < other->offset + other->xfer_buflen &&
		    other->offset < io_u->offset + io_u->xfer_buflen)
			return true;
	}
	return false;
}

/* What has to happen before a request is filled in, or instead of that. May change @op. */
static slow_path enum fio_q_status queue_slow(struct thread_data *td, struct io_u *io_u,
					      const struct op **op)
{
	struct dmabuf_options *o = td->eo;
	struct dmabuf_data *dd = td->io_ops_data;
	int ret;

	if (io_u->ddir != DDIR_READ && io_u->ddir != DDIR_WRITE) {
		/* done here and now, when all before it is at least with the kernel */
		if (dd->queued)
			return FIO_Q_BUSY;
		if (io_u->ddir == DDIR_TRIM) {
			do_io_u_trim(td, io_u);
			io_u_mark_submit(td, 1);
			io_u_mark_complete(td, 1);
		} else {
			/* fio leaves this to an engine that sets issue times */
			if (fio_fill_issue_time(td))
				fio_gettime(&io_u->issue_time, NULL);
			do_io_u_sync(td, io_u);
		}
		return FIO_Q_COMPLETED;
	}

	if (o->compare && overlaps(dd, io_u))
		return FIO_Q_BUSY;
	if (o->poison && io_u->ddir == DDIR_READ)
		dd->poisons[io_u->index] = inspect_poison(&dd->poison_seq, io_u->xfer_buf,
							  io_u->xfer_buflen);
	if (io_u->ddir == DDIR_WRITE ? dd->copy_in : o->poison && dd->copy_out) {
		ret = copy_unit(td, dd, io_u, io_u->xfer_buflen, true);
		if (ret) {
			io_u->error = -ret;
			return FIO_Q_COMPLETED;
		}
	}
	if (o->force_async && !--dd->until_async) {
		dd->until_async = o->force_async;
		*op = &dd->async_ops[io_u->ddir];
	}
	return FIO_Q_QUEUED;
}

static void fill_sqe(const struct dmabuf_data *dd, const struct op *op, struct io_u *io_u,
		     struct io_uring_sqe *sqe)
{
	const struct target *t = FILE_ENG_DATA(io_u->file);
	const struct unit *unit = &dd->units[io_u->index];

	*sqe = op->sqe;
	sqe->fd = t->sqe_fd;
	sqe->off = io_u->offset;
	sqe->addr = (uintptr_t)io_u->xfer_buf - unit->base;
	sqe->len = io_u->xfer_buflen;
	sqe->buf_index = t->slot + unit->slot;
	sqe->user_data = (uintptr_t)io_u;
}

static enum fio_q_status fio_dmabuf_queue(struct thread_data *td, struct io_u *io_u)
{
	struct dmabuf_data *dd = td->io_ops_data;
	const struct op *op = &dd->ops[io_u->ddir];
	struct io_uring_sqe *sqe;
	enum fio_q_status ret;

	if (unlikely(op->slow)) {
		ret = queue_slow(td, io_u, &op);
		if (ret != FIO_Q_QUEUED)
			return ret;
	}

	/* a submitting kernel thread may complete a request before it frees the entry */
	sqe = io_uring_get_sqe(&dd->ring.uring);
	if (unlikely(!sqe))
		return FIO_Q_BUSY;

	fill_sqe(dd, op, io_u, sqe);
	dd->units[io_u->index].retries = 0;
	dd->pending[dd->queued++] = io_u;
	return FIO_Q_QUEUED;
}

/* One time stamp serves the batch. */
static void stamp_pending(struct thread_data *td, struct dmabuf_data *dd)
{
	struct timespec now;

	if (!fio_fill_issue_time(td))
		return;
	fio_gettime(&now, NULL);
	for (unsigned int i = 0; i < dd->queued; i++) {
		dd->pending[i]->issue_time = now;
		io_u_queued(td, dd->pending[i]);
	}
	if (td->o.read_iolog_file)
		td->last_issue = now;
}

static int fio_dmabuf_commit(struct thread_data *td)
{
	struct dmabuf_data *dd = td->io_ops_data;
	int ret;

	if (!dd->queued)
		return 0;

	ret = ring_submit(&dd->ring);
	if (unlikely(ret)) {
		complain(td, ret, "io_uring_enter: submitting %u requests: %s", dd->queued,
			 strerror(-ret));
		return ret;
	}
	stamp_pending(td, dd);
	io_u_mark_submit(td, dd->queued);
	dd->queued = 0;
	dd->reissued = 0;
	return 0;
}

/* Nothing was wrong with it: the exporter moved the memory, or the request would have waited. */
static bool reissue(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u)
{
	struct dmabuf_options *o = td->eo;
	struct unit *unit = &dd->units[io_u->index];
	struct io_uring_sqe *sqe;

	dd->counters.eagain++;
	if (unit->retries == o->eagain_retries)
		return false;
	unit->retries++;

	while (!(sqe = io_uring_get_sqe(&dd->ring.uring)))
		ring_submit(&dd->ring);
	fill_sqe(dd, &dd->ops[io_u->ddir], io_u, sqe);
	dd->reissued++;
	return true;
}

/* The first one is described, the others are counted. */
static void mismatch(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u, size_t at,
		     const char *what)
{
	io_u->error = EILSEQ;
	if (!dd->counters.mismatches++)
		log_err("fio-dmabuf: %s: %s of %llu bytes at offset %llu of %s: %s, "
			"from byte %zu on\n", td->o.name,
			io_u->ddir == DDIR_READ ? "read" : "write",
			(unsigned long long)io_u->xfer_buflen, (unsigned long long)io_u->offset,
			io_u->file->file_name, what, at);
}

static void inspect(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u, size_t len)
{
	const struct target *t = FILE_ENG_DATA(io_u->file);
	const struct dmabuf_options *o = td->eo;
	struct why why;
	size_t at;
	int ret;

	if (dd->copy_out && io_u->ddir == DDIR_READ) {
		ret = copy_unit(td, dd, io_u, len, false);
		if (ret) {
			io_u->error = -ret;
			return;
		}
	}
	if (o->poison && io_u->ddir == DDIR_READ &&
	    inspect_untouched(dd->poisons[io_u->index], io_u->xfer_buf, len, &at)) {
		dd->counters.untouched++;
		mismatch(td, dd, io_u, at, "completed, but left the memory untouched");
		return;
	}
	if (!o->compare)
		return;
	ret = inspect_compare(t->compare_fd, io_u->offset, io_u->xfer_buf, len, dd->scratch, &at,
			      &why);
	if (ret < 0) {
		complain(td, ret, "%s: %s", io_u->file->file_name, why.text);
		io_u->error = -ret;
	} else if (ret) {
		mismatch(td, dd, io_u, at, "differs from a plain read of the same range");
	}
}

/* A completion that is not simply all of what was asked for. False if it is not one yet. */
static slow_path bool complete_slow(struct thread_data *td, struct dmabuf_data *dd,
				    struct io_u *io_u, int res)
{
	if (res == -EAGAIN && reissue(td, dd, io_u))
		return false;

	if (res < 0) {
		io_u->error = -res;
	} else {
		dd->counters.bytes += res;
		if ((unsigned int)res < io_u->xfer_buflen) {
			io_u->resid = io_u->xfer_buflen - res;
			dd->counters.shorts++;
		}
		if (dd->inspect && res)
			inspect(td, dd, io_u, res);
	}
	if (io_u->error)
		dd->counters.errors++;
	return true;
}

/* Take what is there, up to @max in all. */
static unsigned int reap(struct thread_data *td, struct dmabuf_data *dd, unsigned int got,
			 unsigned int max)
{
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0, had = got;

	io_uring_for_each_cqe(&dd->ring.uring, head, cqe) {
		struct io_u *io_u = (struct io_u *)(uintptr_t)cqe->user_data;

		if (got == max)
			break;
		seen++;
		if (unlikely((cqe->res != (int)io_u->xfer_buflen) | dd->inspect)) {
			if (!complete_slow(td, dd, io_u, cqe->res))
				continue;
		} else {
			dd->counters.bytes += cqe->res;
		}
		dd->events[got++] = io_u;
	}
	io_uring_cq_advance(&dd->ring.uring, seen);
	dd->counters.ios += got - had;
	return got;
}

static int fio_dmabuf_getevents(struct thread_data *td, unsigned int min, unsigned int max,
				const struct timespec fio_unused *t)
{
	struct dmabuf_data *dd = td->io_ops_data;
	/* 0 asks for polling, but fio calls with 1 where it has to see something */
	unsigned int want = td->o.iodepth_batch_complete_min ? min : 0;
	unsigned int got = 0;
	bool waited = false;
	int ret = 0;

	for (;;) {
		got = reap(td, dd, got, max);
		if (unlikely(dd->reissued)) {
			/* with what is queued, which shares the ring, if anything is */
			ret = dd->queued ? fio_dmabuf_commit(td) : ring_submit(&dd->ring);
			dd->reissued = 0;
		}
		if (unlikely(ret))
			break;
		if (got >= min && (got || waited))
			return got;
		ret = ring_wait(&dd->ring, want > got ? want - got : 0);
		waited = true;
	}
	complain(td, ret, "io_uring_enter: waiting for completions: %s", strerror(-ret));
	return ret;
}

static struct io_u *fio_dmabuf_event(struct thread_data *td, int event)
{
	struct dmabuf_data *dd = td->io_ops_data;

	return dd->events[event];
}

/* A second line under fio's own about a failed I/O. */
static char *fio_dmabuf_errdetails(COMPAT_ERRDETAILS(io_u))
{
	const char *text;

	switch (io_u->error) {
	case EAGAIN:
		text = "still EAGAIN after eagain_retries reissues";
		break;
	case EILSEQ:
		text = "the I/O completed, but its data is wrong (poison, compare)";
		break;
	case EBADF:
		text = "the request's file is not the open file that its buffer was registered for";
		break;
	case EFAULT:
		text = "the range lies outside the registered buffer, or its memory is gone";
		break;
	case EINVAL:
		text = "refused: alignment of bs, offset or iomem_align to the device's blocks?";
		break;
	default:
		text = "as the kernel completed it";
		break;
	}
	return strdup(text);
}

/* Not static: fio looks it up. */
struct ioengine_ops ioengine = {
	.name			= "dmabuf",
	.version		= FIO_IOOPS_VERSION,
	.flags			= FIO_ASYNCIO_SYNC_TRIM | FIO_NO_OFFLOAD |
				  FIO_ASYNCIO_SETS_ISSUE_TIME,
	.setup			= fio_dmabuf_setup,
	.init			= fio_dmabuf_init,
	.io_u_init		= fio_dmabuf_io_u_init,
	.iomem_alloc		= fio_dmabuf_iomem_alloc,
	.post_init		= fio_dmabuf_post_init,
	.queue			= fio_dmabuf_queue,
	.commit			= fio_dmabuf_commit,
	.getevents		= fio_dmabuf_getevents,
	.event			= fio_dmabuf_event,
	.errdetails		= fio_dmabuf_errdetails,
	.cleanup		= fio_dmabuf_cleanup,
	.open_file		= fio_dmabuf_open_file,
	.close_file		= fio_dmabuf_close_file,
	.get_file_size		= generic_get_file_size,
	.options		= dmabuf_option_table,
	.option_struct_size	= sizeof(struct dmabuf_options),
};
