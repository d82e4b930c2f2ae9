// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences of mappings: as with an exporter that has only begun to move the memory
 * to where it was mapped.
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

#include "internal.h"

/*
 * May outlive its dma-buf: the timer has a reference, and whoever else took one.
 * It keeps the module until it is freed.
 */
struct map_fence {
	struct dma_fence base;
	spinlock_t lock;	/* the fence's own, which dma_fence_init() is told */
	struct timer_list timer;
};

static const char *map_fence_name(struct dma_fence *base)
{
	return "dmabuf_test";
}

static void map_fence_free(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct map_fence, base.rcu));
	module_put(THIS_MODULE);
}

/* What calls this, and the timer, are done when the grace period ends; fences_exit() sees to it. */
static void map_fence_release(struct dma_fence *base)
{
	call_rcu(&base->rcu, map_fence_free);
}

static const struct dma_fence_ops map_fence_ops = {
	.get_driver_name	= map_fence_name,
	.get_timeline_name	= map_fence_name,
	.release		= map_fence_release,
};

static void map_fence_signal(struct timer_list *timer)
{
	struct map_fence *fence = container_of(timer, struct map_fence, timer);

	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
}

int fence_add(struct buffer *buf, u32 ms)
{
	struct dma_resv *resv = buf->dmabuf->resv;
	struct map_fence *fence;
	int ret;

	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		return ret;
	fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	if (!fence)
		return -ENOMEM;
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	/* A context of its own: fences of one would have to signal in order. */
	dma_fence_init(&fence->base, &map_fence_ops, &fence->lock, dma_fence_context_alloc(1), 1);
	timer_setup(&fence->timer, map_fence_signal, 0);
	dma_resv_add_fence(resv, &fence->base, DMA_RESV_USAGE_KERNEL);
	/* Not before: the jiffy that runs does not count. The timer has the first reference. */
	mod_timer(&fence->timer, jiffies + msecs_to_jiffies(ms) + 1);
	return 0;
}

void fences_exit(void)
{
	rcu_barrier();
}
