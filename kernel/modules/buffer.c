// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer as a dma-buf: from its making to its end, and devices in between.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

static DEFINE_IDA(ids);

static int buffer_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct buffer *buf = dmabuf->priv;
	int ret;

	if (buf->refuse_attach)
		return -(int)buf->refuse_attach;
	if (buf->pdev) {
		ret = bar_attach(buf, attach);
		if (ret)
			return ret;
	}
	dma_resv_lock(dmabuf->resv, NULL);
	buf->attached++;
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static void buffer_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct buffer *buf = dmabuf->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	buf->attached--;
	dma_resv_unlock(dmabuf->resv);
}

static int buffer_pin(struct dma_buf_attachment *attach)
{
	struct buffer *buf = attach->dmabuf->priv;

	buf->pins++;
	return 0;
}

static void buffer_unpin(struct dma_buf_attachment *attach)
{
	struct buffer *buf = attach->dmabuf->priv;

	buf->pins--;
}

static struct sg_table *buffer_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct buffer *buf = attach->dmabuf->priv;
	struct mapping *mapping;
	int ret;

	if (buf->map_delay_ms)
		msleep(buf->map_delay_ms);
	if (buf->refuse_map)
		return ERR_PTR(-(int)buf->refuse_map);
	if (buf->map_fence_ms) {
		ret = fence_add(buf, buf->map_fence_ms);
		if (ret)
			return ERR_PTR(ret);
	}

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = attach->dev;
	mapping->dir = dir;
	ret = buf->pdev ? bar_map(buf, mapping) : pages_map(buf, mapping);
	if (ret) {
		kfree(mapping);
		return ERR_PTR(ret);
	}
	list_add(&mapping->node, &buf->mappings);
	buf->maps++;
	buf->mapped++;
	return &mapping->sgt;
}

static void buffer_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction dir)
{
	struct mapping *mapping = container_of(sgt, struct mapping, sgt);
	struct buffer *buf = attach->dmabuf->priv;

	list_del(&mapping->node);
	if (buf->pdev)
		bar_unmap(attach, mapping, dir);
	else
		pages_unmap(attach, mapping, dir);
	kfree(mapping);
	buf->unmaps++;
	buf->mapped--;
}

static void buffer_release(struct dma_buf *dmabuf)
{
	struct buffer *buf = dmabuf->priv;

	knobs_remove(buf);
	mover_set(buf, 0);
	WARN_ON(!list_empty(&buf->mappings));
	buffer_free(buf);
}

static const struct dma_buf_ops buffer_ops = {
	.attach			= buffer_attach,
	.detach			= buffer_detach,
	.pin			= buffer_pin,
	.unpin			= buffer_unpin,
	.map_dma_buf		= buffer_map,
	.unmap_dma_buf		= buffer_unmap,
	.begin_cpu_access	= cpu_begin_access,
	.end_cpu_access		= cpu_end_access,
	.mmap			= cpu_mmap,
	.vmap			= cpu_vmap,
	.vunmap			= cpu_vunmap,
	.release		= buffer_release,
};

struct buffer *buffer_alloc(void)
{
	struct buffer *buf = kzalloc(sizeof(*buf), GFP_KERNEL);

	if (!buf)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&buf->mappings);
	INIT_LIST_HEAD(&buf->retired);
	mover_init(buf);
	buf->id = ida_alloc(&ids, GFP_KERNEL);
	if (buf->id < 0) {
		int ret = buf->id;

		kfree(buf);
		return ERR_PTR(ret);
	}
	return buf;
}

void buffer_free(struct buffer *buf)
{
	if (buf->gen)
		pages_release(buf);
	if (buf->pdev)
		bar_release(buf);
	ida_free(&ids, buf->id);
	kfree(buf);
}

struct dma_buf *buffer_export(struct buffer *buf, size_t size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = &buffer_ops;
	info.size = size;
	info.flags = O_RDWR;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		buffer_free(buf);
		return dmabuf;
	}
	buf->dmabuf = dmabuf;
	knobs_add(buf);
	return dmabuf;
}
