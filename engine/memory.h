/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sources of memory have in common.
 */
#ifndef FIO_DMABUF_MEMORY_H
#define FIO_DMABUF_MEMORY_H

#include <stddef.h>

#include "exporter.h"

/* What the address of memory is a multiple of. */
#define MEMORY_ALIGN	(2UL << 20)

/**
 * memory_reserve - take address space, with nothing behind it
 * @size: bytes, whole pages
 *
 * Return: the address, a multiple of MEMORY_ALIGN, or MAP_FAILED with errno.
 */
void *memory_reserve(size_t size);

/**
 * memory_map - map memory for the CPU, at an address that suits all users of it
 * @size: bytes, whole pages
 * @fd: what to map from its start, or -1 for anonymous memory
 *
 * All pages are present where the kernel can do that beforehand. The address is a multiple of
 * MEMORY_ALIGN.
 *
 * Return: the address, to be given to munmap(), or MAP_FAILED with errno.
 */
void *memory_map(size_t size, int fd);

/**
 * memory_pages - round a size up to whole pages
 * @size: bytes
 *
 * Return: bytes.
 */
size_t memory_pages(size_t size);

/**
 * memory_free - the free() of a source that has nothing else to give back
 * @buf: a buffer; its mapping is undone and its descriptors are closed. BUFFER_NONE afterwards
 */
void memory_free(struct buffer *buf);

#endif
