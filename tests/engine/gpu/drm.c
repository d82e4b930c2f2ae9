// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded: another DRM driver's name and call to make a buffer object ($DRM_AS), in front
 * of a device that has dumb buffers. What it is asked for is checked against the kernel's user API
 * (include/uapi/drm/), written down here once more, by number and offset, and told on stderr.
 * $DRM_FULL makes it have no memory.
 */
#include <dlfcn.h>
#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define XE_SMALL_PAGE	0x1000U
#define XE_LARGE_PAGE	0x10000U

static int (*next)(int fd, unsigned long request, ...);

static uint64_t get(const void *arg, size_t at, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)arg + at, bytes);
	return value;
}

static const void *pointer(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

/* The object itself: a dumb buffer's. */
static int make(int fd, uint64_t size, void *handle)
{
	struct drm_mode_create_dumb dumb = { .width = 1024, .height = size / 4096, .bpp = 32 };

	if (getenv("DRM_FULL")) {
		errno = ENOSPC;
		return -1;
	}
	if (next(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		return -1;
	memcpy(handle, &dumb.handle, sizeof(dumb.handle));
	return 0;
}

static int answer(const char *driver, const char *memory, int fd, uint64_t size, void *handle)
{
	if (!memory || !size || size % 4096) {
		fprintf(stderr, "drm: %s: wrong call\n", driver);
		errno = EINVAL;
		return -1;
	}
	fprintf(stderr, "drm: %s: %s\n", driver, memory);
	return make(fd, size, handle);
}

static int amdgpu(int fd, unsigned int nr, size_t bytes, char *arg)
{
	const char *memory = NULL;

	if (nr == 0x00 && bytes == 32 && !get(arg, 8, 8) && get(arg, 24, 8) == 1)
		memory = get(arg, 16, 8) == 4 ? "vram" : get(arg, 16, 8) == 2 ? "system" : NULL;
	return answer("amdgpu", memory, fd, get(arg, 0, 8), arg);
}

static int i915(int fd, unsigned int nr, size_t bytes, char *arg)
{
	const char *memory = NULL, *regions, *region;

	if (nr == 0x3c && bytes == 24 && !get(arg, 12, 4)) {
		regions = pointer(get(arg, 16, 8));
		region = pointer(get(regions, 40, 8));
		if (!get(regions, 0, 8) && !get(regions, 8, 8) && get(regions, 36, 4) == 1 &&
		    !get(region, 2, 2))
			memory = get(region, 0, 2) == 1 ? "vram" :
				 get(region, 0, 2) == 0 ? "system" : NULL;
	}
	return answer("i915", memory, fd, get(arg, 0, 8), arg + 8);
}

static int nouveau(int fd, unsigned int nr, size_t bytes, char *arg)
{
	const char *memory = NULL;

	if (nr == 0x40 && bytes == 48 && !get(arg, 32, 8) && !get(arg, 40, 8))
		memory = get(arg, 4, 4) == 0xa ? "vram" : get(arg, 4, 4) == 4 ? "system" : NULL;
	return answer("nouveau", memory, fd, get(arg, 8, 8), arg);
}

/* Two regions: the host's memory, and the device's, which has large pages. */
static int xe_query(char *arg)
{
	struct {
		uint32_t nr, pad;
		struct {
			uint16_t class, instance;
			uint32_t page;
			uint64_t rest[10];
		} region[2];
	} told = { .nr = 2, .region = { { 0, 0, XE_SMALL_PAGE, { 0 } }, { 1, 1, XE_LARGE_PAGE, { 0 } } } };
	uint32_t size = sizeof(told);

	if (get(arg, 0, 8) || get(arg, 8, 4) != 1) {
		errno = EINVAL;
		return -1;
	}
	if (!get(arg, 12, 4))
		memcpy(arg + 12, &size, sizeof(size));
	else
		memcpy((void *)(uintptr_t)get(arg, 16, 8), &told, size);
	return 0;
}

static int xe(int fd, unsigned int nr, size_t bytes, char *arg)
{
	const char *memory = NULL;
	uint64_t size = get(arg, 8, 8);

	if (nr == 0x00 && bytes == 40)
		return xe_query(arg);
	if (nr == 0x01 && bytes == 56 && !get(arg, 0, 8) && !get(arg, 24, 4)) {
		if (get(arg, 16, 4) == 2 && get(arg, 20, 4) == 4 && get(arg, 32, 2) == 2 &&
		    size % XE_LARGE_PAGE == 0)
			memory = "vram";
		else if (get(arg, 16, 4) == 1 && !get(arg, 20, 4) && get(arg, 32, 2) == 1)
			memory = "system";
	}
	return answer("xe", memory, fd, size, arg + 28);
}

static const struct {
	const char *name;
	int (*call)(int fd, unsigned int nr, size_t bytes, char *arg);
} drivers[] = { { "amdgpu", amdgpu }, { "i915", i915 }, { "nouveau", nouveau }, { "xe", xe } };

/* A name is asked for twice: for its length, and where to. */
static int version(int fd, unsigned long request, struct drm_version *v, const char *name)
{
	int ret = next(fd, request, v);

	if (ret)
		return ret;
	v->name_len = strlen(name);
	if (v->name)
		memcpy(v->name, name, v->name_len);
	return 0;
}

/* Declared with three dots. */
int ioctl(int fd, unsigned long request, ...)
{
	const char *as = getenv("DRM_AS");
	unsigned int nr = _IOC_NR(request);
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!next)
		next = dlsym(RTLD_NEXT, "ioctl");
	if (_IOC_TYPE(request) == 'd' && as && request == DRM_IOCTL_VERSION)
		return version(fd, request, arg, as);
	/* a driver's own calls */
	if (_IOC_TYPE(request) == 'd' && as && nr >= 0x40 && nr < 0xa0)
		for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
			if (!strcmp(drivers[i].name, as))
				return drivers[i].call(fd, nr - 0x40, _IOC_SIZE(request), arg);
	return next(fd, request, arg);
}
