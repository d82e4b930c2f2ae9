// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data of a job's I/O: copied between the pool and its shadow where the CPU has but that, and
 * looked at where the user asked for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "inspect.h"

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

static int prepare_inspection(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;

	dd->inspect = o->poison || o->compare;
	dd->poison_seq = inspect_seed();
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

int data_prepare(struct thread_data *td, struct dmabuf_data *dd)
{
	return prepare_inspection(td, dd) || prepare_shadow(td, dd);
}

void data_free(struct dmabuf_data *dd)
{
	free(dd->scratch);
	free(dd->poisons);
}

bool data_overlaps(const struct dmabuf_data *dd, const struct io_u *io_u)
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

int data_before(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u)
{
	const struct dmabuf_options *o = td->eo;

	if (o->poison && io_u->ddir == DDIR_READ)
		dd->poisons[io_u->index] = inspect_poison(&dd->poison_seq, io_u->xfer_buf,
							  io_u->xfer_buflen);
	if (io_u->ddir == DDIR_WRITE ? dd->copy_in : o->poison && dd->copy_out)
		return copy_unit(td, dd, io_u, io_u->xfer_buflen, true);
	return 0;
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

void data_after(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u, size_t len)
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
