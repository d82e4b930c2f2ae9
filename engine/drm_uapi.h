/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private copies of the kernel's user API of xe (include/uapi/drm/xe_drm.h, Linux 6.8 and later),
 * which the libdrm of many systems does not have yet.
 */
#ifndef FIO_DMABUF_DRM_UAPI_H
#define FIO_DMABUF_DRM_UAPI_H

#include <drm.h>
#include <stdint.h>

#define XE_QUERY_MEM_REGIONS	1
#define XE_CLASS_VRAM		1
#define XE_VISIBLE_VRAM		(1U << 2)
#define XE_CACHING_WB		1
#define XE_CACHING_WC		2

struct xe_device_query {
	uint64_t extensions;
	uint32_t query;
	uint32_t size;
	uint64_t data;
	uint64_t reserved[2];
};

struct xe_mem_region {
	uint16_t mem_class;
	uint16_t instance;
	uint32_t min_page_size;
	uint64_t total_size;
	uint64_t used;
	uint64_t cpu_visible_size;
	uint64_t cpu_visible_used;
	uint64_t reserved[6];
};

struct xe_mem_regions {
	uint32_t nr;
	uint32_t pad;
	struct xe_mem_region regions[];
};

struct xe_gem_create {
	uint64_t extensions;
	uint64_t size;
	uint32_t placement;
	uint32_t flags;
	uint32_t vm_id;
	uint32_t handle;
	uint16_t cpu_caching;
	uint16_t pad[3];
	uint64_t reserved[2];
};

_Static_assert(sizeof(struct xe_device_query) == 40, "xe_device_query");
_Static_assert(sizeof(struct xe_mem_region) == 88, "xe_mem_region");
_Static_assert(sizeof(struct xe_gem_create) == 56, "xe_gem_create");

#define XE_IOCTL_QUERY		DRM_IOWR(DRM_COMMAND_BASE + 0, struct xe_device_query)
#define XE_IOCTL_GEM_CREATE	DRM_IOWR(DRM_COMMAND_BASE + 1, struct xe_gem_create)

#endif
