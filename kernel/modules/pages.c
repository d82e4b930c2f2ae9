// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of pages: memory that is left at each move, and watched after that.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "internal.h"

/* What memory that is no longer the buffer's is filled with. */
#define POISON	0x5a

void generation_free(struct generation *gen)
{
	pgoff_t i;

	for (i = 0; i < gen->nr_pages; i++)
		__free_page(gen->pages[i]);
	kvfree(gen);
}

/* An importer must not rely on the order in which the allocator returns pages. */
static void generation_shuffle(struct generation *gen, unsigned int order)
{
	pgoff_t i, j, k;

	for (i = gen->nr_pages >> order; i > 1; i--) {
		j = get_random_u32_below(i);
		for (k = 0; k < 1UL << order; k++)
			swap(gen->pages[((i - 1) << order) + k], gen->pages[(j << order) + k]);
	}
}

struct generation *generation_alloc(size_t size, unsigned int order)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
	pgoff_t nr_pages = size >> PAGE_SHIFT, i;
	struct generation *gen;
	struct page *page;

	gen = kvzalloc(struct_size(gen, pages, nr_pages), GFP_KERNEL);
	if (!gen)
		return NULL;
	gen->users = 1;
	while (gen->nr_pages < nr_pages) {
		page = alloc_pages(gfp, order);
		if (!page) {
			generation_free(gen);
			return NULL;
		}
		split_page(page, order);
		for (i = 0; i < 1UL << order; i++)
			gen->pages[gen->nr_pages++] = page + i;
	}
	generation_shuffle(gen, order);
	return gen;
}

static void generation_copy(struct generation *to, const struct generation *from)
{
	pgoff_t i;

	for (i = 0; i < to->nr_pages; i++) {
		copy_highpage(to->pages[i], from->pages[i]);
		cond_resched();
	}
}

/* One user less; the last one's memory is retired. */
static void generation_put(struct buffer *buf, struct generation *gen)
{
	pgoff_t i;

	if (--gen->users)
		return;
	for (i = 0; i < gen->nr_pages; i++) {
		void *page = kmap_local_page(gen->pages[i]);

		memset(page, POISON, PAGE_SIZE);
		kunmap_local(page);
		cond_resched();
	}
	list_add_tail(&gen->node, &buf->retired);
}

/* Free what was retired, and tell whether it was left in peace. */
static void check_retired(struct buffer *buf)
{
	struct generation *gen, *next;
	unsigned long stale = 0;
	pgoff_t i;

	list_for_each_entry_safe(gen, next, &buf->retired, node) {
		for (i = 0; i < gen->nr_pages; i++) {
			void *page = kmap_local_page(gen->pages[i]);

			stale += !!memchr_inv(page, POISON, PAGE_SIZE);
			kunmap_local(page);
			cond_resched();
		}
		list_del(&gen->node);
		generation_free(gen);
	}
	buf->stale += stale;
	WARN(stale, "dmabuf_test: buffer %d: %lu pages were written to after they were unmapped\n",
	     buf->id, stale);
}

void pages_move(struct buffer *buf, struct generation *to)
{
	struct generation *from = buf->gen;

	check_retired(buf);
	generation_copy(to, from);
	buf->gen = to;
	generation_put(buf, from);
}

int pages_map(struct buffer *buf, struct mapping *mapping)
{
	struct generation *gen = buf->gen;
	int ret;

	ret = sg_alloc_table_from_pages(&mapping->sgt, gen->pages, gen->nr_pages, 0,
					buf->dmabuf->size, GFP_KERNEL);
	if (ret)
		return ret;
	/* Only what is synchronised apart may be mapped by several devices at once. */
	ret = dma_map_sgtable(mapping->dev, &mapping->sgt, mapping->dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret) {
		sg_free_table(&mapping->sgt);
		return ret;
	}
	dma_sync_sgtable_for_device(mapping->dev, &mapping->sgt, mapping->dir);
	mapping->gen = gen;
	gen->users++;
	return 0;
}

void pages_unmap(struct dma_buf_attachment *attach, struct mapping *mapping,
		 enum dma_data_direction dir)
{
	dma_sync_sgtable_for_cpu(attach->dev, &mapping->sgt, dir);
	dma_unmap_sgtable(attach->dev, &mapping->sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&mapping->sgt);
	generation_put(attach->dmabuf->priv, mapping->gen);
}

void pages_release(struct buffer *buf)
{
	generation_put(buf, buf->gen);
	check_retired(buf);
}
