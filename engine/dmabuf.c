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

#include "buffers.h"
#include "data.h"
#include "files.h"

#define unlikely(x)	__builtin_expect(!!(x), 0)

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

static int open_counters(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;
	const struct fio_file *f;
	struct why why;

	if (!o->counters || !*o->counters)
		return 0;
	dd->counters_fd = counters_open(o->counters, &why);
	if (dd->counters_fd < 0)
		return complain(td, dd->counters_fd, "%s", why.text);
	f = files_find(td, dd->counters_fd);
	if (f)
		return complain(td, -EINVAL, "counters=%s: is the job's own filename=%s, and would be "
				"written into its data; name another file", o->counters,
				f->file_name);
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
		.sqpoll_pinned = o->sqpoll_cpu >= 0,
		.sqpoll_cpu = o->sqpoll_cpu,
	};
	struct why why;
	int ret;

	/* fio up to 3.33 goes on after a failed allocation, which has said why */
	if (td->error)
		return 1;
	if (moves_data(td) &&
	    (buffers_place(td, dd) || data_prepare(td, dd)))
		return 1;

	ret = ring_init(&dd->ring, &conf, &why);
	if (ret)
		return complain(td, ret, "%s", why.text);

	if (files_prepare(td, dd) || (moves_data(td) && buffers_register(td, dd)))
		return 1;
	prepare_ops(td, dd);
	dd->times = fio_fill_issue_time(td);
	/* a time of issue would be off by the wait, or by the system call */
	dd->defer = !dd->times && td->o.iodepth_batch_complete_min && !o->sqpoll;

	if (open_counters(td, dd))
		return 1;
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
		.device = dd->pool.nr_pieces ? dd->pool.pieces[0].node : "",
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
	files_free(dd);
	pool_free(&dd->pool);
	if (dd->counters_fd >= 0)
		close(dd->counters_fd);
	data_free(dd);
	free(dd->units);
	free(dd->events);
	free(dd->pending);
	free(dd->io_us);
	free(dd);
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
			if (dd->times)
				fio_gettime(&io_u->issue_time, NULL);
			do_io_u_sync(td, io_u);
		}
		return FIO_Q_COMPLETED;
	}

	if (o->compare && data_overlaps(dd, io_u))
		return FIO_Q_BUSY;
	ret = data_before(td, dd, io_u);
	if (ret) {
		io_u->error = -ret;
		dd->counters.errors++;
		return FIO_Q_COMPLETED;
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

	if (!dd->times)
		return;
	fio_gettime(&now, NULL);
	for (unsigned int i = 0; i < dd->queued; i++) {
		dd->pending[i]->issue_time = now;
		io_u_queued(td, dd->pending[i]);
	}
	if (td->o.read_iolog_file)
		td->last_issue = now;
}

/* What was queued is with the kernel. */
static void submitted(struct thread_data *td, struct dmabuf_data *dd)
{
	stamp_pending(td, dd);
	io_u_mark_submit(td, dd->queued);
	dd->queued = 0;
	dd->reissued = 0;
	dd->deferred = false;
}

static int submit(struct thread_data *td, struct dmabuf_data *dd)
{
	int ret = ring_submit(&dd->ring);

	if (unlikely(ret)) {
		complain(td, ret, "io_uring_enter: submitting %u requests: %s", dd->queued,
			 strerror(-ret));
		return ret;
	}
	submitted(td, dd);
	return 0;
}

/*
 * With the queue full, fio's next step is to wait in getevents, which submits by the same
 * system call.
 */
static int fio_dmabuf_commit(struct thread_data *td)
{
	struct dmabuf_data *dd = td->io_ops_data;

	if (!dd->queued)
		return 0;
	if (dd->defer && td->cur_depth == td->o.iodepth) {
		dd->deferred = true;
		return 0;
	}
	return submit(td, dd);
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
			data_after(td, dd, io_u, res);
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
	bool waited = false, enough;
	int ret = 0;

	for (;;) {
		got = reap(td, dd, got, max);
		enough = got >= min && (got || waited);
		if (unlikely(dd->reissued) || (dd->deferred && (enough || !want))) {
			/* with what is queued, which shares the ring, if anything is */
			ret = dd->queued ? submit(td, dd) : ring_submit(&dd->ring);
			dd->reissued = 0;
		}
		if (unlikely(ret))
			break;
		if (enough)
			return got;
		if (dd->deferred)
			submitted(td, dd);
		ret = ring_wait(&dd->ring, want > got ? want - got : 0);
		waited = true;
	}
	complain(td, ret, "io_uring_enter: submitting or waiting: %s", strerror(-ret));
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
		text = "still EAGAIN after eagain_retries reissues; allow more, or leave out "
		       "nowait=1";
		break;
	case EILSEQ:
		text = "the I/O completed, but its data is wrong (poison, compare)";
		break;
	case EBADF:
		text = "the request's file is not the open file that its buffer was registered for";
		break;
	case ENODEV:
		text = "the device is gone, or its controller was reset, which ends the "
		       "registration of a dma-buf: run the job again";
		break;
	case ENODATA:
		text = "the drive's medium failed; continue_on_error alone goes on after EIO, for "
		       "this it needs ignore_error=61,61,61 too";
		break;
	case EREMOTEIO:
		text = "the drive does not reach that memory; fio-dmabuf probe says which does "
		       "(peer_to_peer)";
		break;
	case EFAULT:
		text = "the range lies outside the registered buffer, or its memory is gone";
		break;
	case EOPNOTSUPP:
		text = "the device or file system cannot do it; hipri=1 needs poll queues "
		       "(nvme.poll_queues)";
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
	.iomem_alloc		= buffers_alloc,
	.post_init		= fio_dmabuf_post_init,
	.queue			= fio_dmabuf_queue,
	.commit			= fio_dmabuf_commit,
	.getevents		= fio_dmabuf_getevents,
	.event			= fio_dmabuf_event,
	.errdetails		= fio_dmabuf_errdetails,
	.cleanup		= fio_dmabuf_cleanup,
	.open_file		= files_open,
	.close_file		= files_close,
	.get_file_size		= generic_get_file_size,
	.options		= dmabuf_option_table,
	.option_struct_size	= sizeof(struct dmabuf_options),
};
