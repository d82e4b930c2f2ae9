// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buffers of a job: its pool, where fio's units are in it, and its registration.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	const struct dmabuf_options *o = td->eo;
	unsigned int nr = dd->pool.nr_pieces;
	unsigned long long all = 0;
	struct fio_file *f;
	struct why why;
	unsigned int i;
	int ret;

	ret = regbuf_table(&dd->ring, dd->nr_targets * nr, &why);
	if (ret)
		return complain(td, ret, "arm=dmabuf: %s", why.text);

	/* one that was inherited can be larger than the pool */
	for (i = 0; i < nr; i++)
		all += lseek(dd->pool.pieces[i].dmabuf_fd, 0, SEEK_END);
	all *= (unsigned long long)dd->nr_targets * o->jobs;

	for_each_file(td, f, i) {
		struct target *t = &dd->targets[i];

		t->slot = i * nr;
		for (unsigned int p = 0; p < nr; p++) {
			ret = regbuf_dmabuf(&dd->ring, t->slot + p, dd->pool.pieces[p].dmabuf_fd,
					    t->held_fd, f->file_name, all, &why);
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
 * arm=fixed: a slot for each unit, as fio's io_uring engine has. A page from the midst of a larger
 * slot costs 150 instructions more: io_uring hands the rest of the slot on with it, and the block
 * layer does not know it for a single segment (bio_may_need_split() in 6.12). Where slots would
 * share pages, which would be charged for each of them, or where there are not slots enough, they
 * are as large as they can be, cut between units.
 */
static int register_fixed(struct thread_data *td, struct dmabuf_data *dd)
{
	size_t bs = td_max_bs(td), page = sysconf(_SC_PAGESIZE);
	const struct dmabuf_options *o = td->eo;
	bool apart = !(bs % page) && !((uintptr_t)dd->io_us[0]->buf % page);
	unsigned long long all = (unsigned long long)dd->nr_io_us * bs * o->jobs;
	unsigned int per, nr;
	struct why why;
	int ret;

	per = apart && dd->nr_io_us <= REGBUF_MAX_SLOTS ? 1 : REGBUF_MAX_USER / bs;
	nr = (dd->nr_io_us + per - 1) / per;

	ret = regbuf_table(&dd->ring, nr, &why);
	if (ret)
		return complain(td, ret, "arm=fixed: %s", why.text);

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int units = i + 1 < nr ? per : dd->nr_io_us - i * per;

		ret = regbuf_user(&dd->ring, i, dd->io_us[i * per]->buf, units * bs,
				  all, &why);
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
