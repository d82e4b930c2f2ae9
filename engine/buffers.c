// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buffers of a job: its pool, where fio's units are in it, and its registration.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buffers.h"
#include "regbuf.h"

/* What fio adds to the units is for memory that is not aligned. */
int buffers_alloc(struct thread_data *td, size_t fio_unused total)
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

int buffers_place(struct thread_data *td, struct dmabuf_data *dd)
{
	return check_layout(td, dd) || spread_units(td, dd);
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

int buffers_register(struct thread_data *td, struct dmabuf_data *dd)
{
	const struct dmabuf_options *o = td->eo;

	switch (o->arm) {
	case ARM_DMABUF:
		return register_dmabuf(td, dd);
	case ARM_FIXED:
		return register_fixed(td, dd);
	default:
		return 0;
	}
}
