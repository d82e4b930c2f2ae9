/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers that the CPU does not use as they are: of a device's memory, or of an exporter that may
 * have caches to look after. Their CPU view is a shadow in ordinary memory, and data is copied
 * where it has to be.
 */
#ifndef FIO_DMABUF_SHADOW_H
#define FIO_DMABUF_SHADOW_H

#include "exporter.h"

/**
 * shadow_memory - give a buffer a CPU view that is not its memory
 * @buf: gets its CPU view, and the copier
 * @size: bytes, whole pages
 * @with: what copies between the two
 * @why: the reason of a failure
 *
 * Return: 0, or a negative errno.
 */
int shadow_memory(struct buffer *buf, size_t size, const struct copier *with, struct why *why);

/**
 * shadow_dmabuf - give a dma-buf a shadow
 * @buf: has its dmabuf_fd; gets its CPU view, and a copier, which asks the exporter before and
 *       after each copy (DMA_BUF_IOCTL_SYNC)
 * @size: bytes, whole pages, no more than the dma-buf has
 * @why: the reason of a failure
 *
 * A dma-buf that its exporter does not let be mapped gets a copier that says so.
 *
 * Return: 0, or a negative errno; shadow_free() either way.
 */
int shadow_dmabuf(struct buffer *buf, size_t size, struct why *why);

/**
 * shadow_free - the free() of a buffer that shadow_dmabuf() was called for
 * @buf: a buffer; BUFFER_NONE afterwards
 */
void shadow_free(struct buffer *buf);

#endif
