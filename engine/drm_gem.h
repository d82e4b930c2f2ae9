/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of a DRM device, by each driver's own call where it has one, else as a dumb buffer.
 */
#ifndef FIO_DMABUF_DRM_GEM_H
#define FIO_DMABUF_DRM_GEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "why.h"

/**
 * drm_gem_create - make a buffer object
 * @fd: the device's node, card or render
 * @size: bytes, at least
 * @vram: of the device's own memory, and not of the system's
 * @handle: the object, to be closed by the caller
 * @why: the reason of a failure
 *
 * Return: 0, or a negative errno; -EOPNOTSUPP where the node's driver has no such memory, or none
 * for this kind of node.
 */
int drm_gem_create(int fd, size_t size, bool vram, uint32_t *handle, struct why *why);

#endif
