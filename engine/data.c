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
#include "mismatch.h"

/* What O_DIRECT takes, wherever it is. */
#define ALIGNMENT	4096

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

static int prepare_compare(struct thread_data *td, struct dmabuf_data *dd)
{
	size_t bs = td_max_bs(td);

	dd->pieces = (bs + MISMATCH_PIECE - 1) / MISMATCH_PIECE;
	dd->held = calloc((size_t)dd->nr_io_us * dd->pieces, sizeof(*dd->held));
	dd->stored = calloc((size_t)dd->nr_io_us * dd->pieces, sizeof(*dd->stored));
	if (!dd->held || !dd->stored || posix_memalign(&dd->scratch, ALIGNMENT, bs))
		return complain(td, -ENOMEM, "compare=1: no memory for %zu bytes", bs);
	for (unsigned int i = 0; i < dd->nr_io_us; i++)
		mismatch_digest(dd->io_us[i]->buf, bs, &dd->held[(size_t)i * dd->pieces]);
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
	return o->compare ? prepare_compare(td, dd) : 0;
}

int data_prepare(struct thread_data *td, struct dmabuf_data *dd)
{
	return prepare_inspection(td, dd) || prepare_shadow(td, dd);
}

void data_free(struct dmabuf_data *dd)
{
	free(dd->stored);
	free(dd->held);
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

/* The digests of a unit's pieces from @io_u's first byte on, or NULL if it begins within one. */
static uint64_t *unit_digests(const struct dmabuf_data *dd, const struct io_u *io_u, uint64_t *all)
{
	size_t at = (char *)io_u->xfer_buf - (char *)io_u->buf;

	if (at % MISMATCH_PIECE)
		return NULL;
	return all + (size_t)io_u->index * dd->pieces + at / MISMATCH_PIECE;
}

/* What the drive holds where @io_u is going to write; unknown is what cannot be read. */
static void remember_stored(struct dmabuf_data *dd, const struct io_u *io_u)
{
	const struct target *t = FILE_ENG_DATA(io_u->file);
	uint64_t *stored = dd->stored + (size_t)io_u->index * dd->pieces;
	struct why why;
	ssize_t n;

	memset(stored, 0, dd->pieces * sizeof(*stored));
	n = inspect_read(t->compare_fd, io_u->offset, dd->scratch, io_u->xfer_buflen, &why);
	if (n > 0)
		mismatch_digest(dd->scratch, n, stored);
}

int data_before(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u)
{
	const struct dmabuf_options *o = td->eo;

	if (o->compare && io_u->ddir == DDIR_WRITE)
		remember_stored(dd, io_u);
	if (o->poison && io_u->ddir == DDIR_READ)
		dd->poisons[io_u->index] = inspect_poison(&dd->poison_seq, io_u->xfer_buf,
							  io_u->xfer_buflen);
	if (io_u->ddir == DDIR_WRITE ? dd->copy_in : o->poison && dd->copy_out)
		return copy_unit(td, dd, io_u, io_u->xfer_buflen, true);
	return 0;
}

/* What a drive should have got is from the pool. */
static void look_around_memory(struct dmabuf_data *dd, const struct io_u *io_u, struct evidence *e)
{
	const struct buffer *piece = &dd->pool.pieces[pool_piece(&dd->pool, io_u->index)];
	size_t at = (char *)io_u->xfer_buf - (char *)piece->cpu;
	size_t before = at < MISMATCH_REACH ? at : MISMATCH_REACH;
	size_t after = piece->size - at - e->len;

	e->around = (char *)io_u->xfer_buf - before;
	e->around_at = before;
	e->around_len = before + e->len + (after < MISMATCH_REACH ? after : MISMATCH_REACH);
}

/* What the pool should have got is from the drive. Return: memory that the caller frees. */
static void *look_around_drive(const struct io_u *io_u, struct evidence *e)
{
	const struct target *t = FILE_ENG_DATA(io_u->file);
	size_t before = io_u->offset < MISMATCH_REACH ? io_u->offset : MISMATCH_REACH;
	size_t len = before + e->len + MISMATCH_REACH;
	struct why why;
	void *around;
	ssize_t n;

	if (posix_memalign(&around, ALIGNMENT, len))
		return NULL;
	n = inspect_read(t->compare_fd, io_u->offset - before, around, len, &why);
	/* and it must not have changed meanwhile */
	if (n >= (ssize_t)(before + e->len) &&
	    !memcmp((char *)around + before, e->right, e->len)) {
		e->around = around;
		e->around_at = before;
		e->around_len = n;
	}
	return around;
}

static void describe(struct thread_data *td, const struct io_u *io_u, const struct evidence *e,
		     const struct mismatch *m)
{
	char found[80], right[80] = "not known; compare=1 tells", text[128];

	mismatch_text(e, m, text, sizeof(text));
	mismatch_dump(e->found, e->len, m->at, found, sizeof(found));
	if (e->right)
		mismatch_dump(e->right, e->len, m->at, right, sizeof(right));
	log_err("fio-dmabuf: %s: %s of %llu bytes at offset %llu of %s: %s, from byte %zu (offset "
		"%llu) on: %s\n  expected %s\n  found    %s\n", td->o.name,
		io_u->ddir == DDIR_READ ? "read" : "write", (unsigned long long)e->len,
		(unsigned long long)io_u->offset, io_u->file->file_name, mismatch_name(m->class),
		m->at, (unsigned long long)(io_u->offset + m->at), text, right, found);
}

/* The first one of each class is described, the others are counted. */
static void mismatch(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u,
		     struct evidence *e)
{
	void *around = NULL;
	struct mismatch m;

	mismatch_classify(e, &m);
	if (e->right && (m.class == MISMATCH_PARTIAL || m.class == MISMATCH_OTHER)) {
		if (io_u->ddir == DDIR_WRITE)
			look_around_memory(dd, io_u, e);
		else
			around = look_around_drive(io_u, e);
		mismatch_classify(e, &m);
		free(around);
	}
	io_u->error = EILSEQ;
	dd->counters.mismatches++;
	if (!dd->counters.classes[m.class]++)
		describe(td, io_u, e, &m);
}

/* Return: 0, or a negative errno after it has told the user. */
static int compare(struct thread_data *td, struct dmabuf_data *dd, const struct io_u *io_u,
		   struct evidence *e)
{
	const struct target *t = FILE_ENG_DATA(io_u->file);
	struct why why;
	ssize_t n;

	n = inspect_read(t->compare_fd, io_u->offset, dd->scratch, e->len, &why);
	if (n >= 0 && (size_t)n < e->len)
		n = why_set(&why, -EIO, "compare=1: pread at %llu: end of the target",
			    (unsigned long long)io_u->offset + n);
	if (n < 0) {
		complain(td, n, "%s: %s", io_u->file->file_name, why.text);
		return n;
	}
	if (io_u->ddir == DDIR_READ) {
		e->right = dd->scratch;
		e->here = unit_digests(dd, io_u, dd->held);
	} else {
		e->right = io_u->xfer_buf;
		e->found = dd->scratch;
		e->here = dd->stored + (size_t)io_u->index * dd->pieces;
		e->earlier = unit_digests(dd, io_u, dd->held);
	}
	return 0;
}

void data_after(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u, size_t len)
{
	const struct dmabuf_options *o = td->eo;
	struct evidence e = { .found = io_u->xfer_buf, .len = len };
	uint64_t *held;
	int ret = 0;

	if (dd->copy_out && io_u->ddir == DDIR_READ)
		ret = copy_unit(td, dd, io_u, len, false);
	if (!ret && o->compare)
		ret = compare(td, dd, io_u, &e);
	if (ret) {
		io_u->error = -ret;
		return;
	}
	if (o->poison && io_u->ddir == DDIR_READ) {
		e.poisoned = true;
		e.poison = dd->poisons[io_u->index];
	}
	if (mismatch_any(&e))
		mismatch(td, dd, io_u, &e);

	held = o->compare ? unit_digests(dd, io_u, dd->held) : NULL;
	if (held)
		mismatch_digest(io_u->xfer_buf, len, held);
}
