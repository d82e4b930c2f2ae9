// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves: when told to, or by itself at an interval.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/mm.h>

#include "internal.h"

#ifndef HAVE_DMA_BUF_INVALIDATE_MAPPINGS
#define dma_buf_invalidate_mappings	dma_buf_move_notify
#endif

static struct workqueue_struct *movers;

int buffer_move(struct buffer *buf)
{
	struct dma_buf *dmabuf = buf->dmabuf;
	struct generation *next = NULL;
	struct file *file;
	int ret;

	/* The timer and debugfs can be here when the last reference goes. */
	file = get_file_active(&dmabuf->file);
	if (!file)
		return -ENOENT;
	if (!buf->pdev) {
		ret = -ENOMEM;
		next = generation_alloc(dmabuf->size, buf->order);
		if (!next)
			goto put_file;
	}
	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		goto free_next;
	ret = -EBUSY;
	if (buf->pins || buf->vmaps)
		goto unlock;

	dma_buf_invalidate_mappings(dmabuf);
	/* Some importers are done only when their fences have signalled. */
	dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, false, MAX_SCHEDULE_TIMEOUT);
	unmap_mapping_range(file->f_mapping, 0, 0, 1);

	if (next) {
		pages_move(buf, next);
		next = NULL;
	}
	if (buf->move_delay_ms)
		msleep(buf->move_delay_ms);
	buf->moves++;
	ret = 0;
unlock:
	dma_resv_unlock(dmabuf->resv);
free_next:
	if (next)
		generation_free(next);
put_file:
	fput(file);
	return ret;
}

static void mover(struct work_struct *work)
{
	struct buffer *buf = container_of(work, struct buffer, mover.work);
	u32 ms;

	buffer_move(buf);
	ms = READ_ONCE(buf->move_every_ms);
	if (ms)
		queue_delayed_work(movers, &buf->mover, msecs_to_jiffies(ms));
}

void mover_init(struct buffer *buf)
{
	INIT_DELAYED_WORK(&buf->mover, mover);
}

void mover_set(struct buffer *buf, u32 ms)
{
	WRITE_ONCE(buf->move_every_ms, ms);
	if (ms)
		mod_delayed_work(movers, &buf->mover, msecs_to_jiffies(ms));
	else
		cancel_delayed_work_sync(&buf->mover);
}

int __init movers_init(void)
{
	movers = alloc_workqueue("dmabuf_test", WQ_UNBOUND, 0);
	return movers ? 0 : -ENOMEM;
}

void movers_exit(void)
{
	destroy_workqueue(movers);
}
