/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test programs that run inside the guest share. Each is a program of
 * its own: `NAME DEVICE`, exit status 0, 1 or 77 (with the reason on stdout).
 */
#ifndef TESTS_KERNEL_GUEST_COMMON_H
#define TESTS_KERNEL_GUEST_COMMON_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uapi.h"

#define T_PASS	0
#define T_FAIL	1
#define T_SKIP	77

#define MIB	(1024UL * 1024)

/* Leave with T_FAIL and the place, the text and errno's meaning. */
#define die(...) t_die(__FILE__, __LINE__, __VA_ARGS__)
void t_die(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));

/* Count a failure and go on; t_done() tells. */
#define check(cond, ...) \
	do { \
		if (!(cond)) \
			t_fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
void t_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int t_done(void);

/**
 * struct dmabuf - a dma-buf and the memory behind it
 * @fd: the dma-buf
 * @map: the CPU's view: a udmabuf's memfd, or the dma-buf itself
 * @size: in bytes
 * @id: of one that the module dmabuf_test made, its name in debugfs
 */
struct dmabuf {
	int fd;
	unsigned char *map;
	size_t size;
	unsigned int id;
};

/* A udmabuf; its memory from huge pages, of which there must be some. */
void dmabuf_create(struct dmabuf *buf, size_t size);
void dmabuf_create_huge(struct dmabuf *buf, size_t size);
void dmabuf_destroy(struct dmabuf *buf);

/*
 * The module dmabuf_test: loaded if it was not, skipping where kernel/vm found
 * none beside the kernel. The device is an address like 0000:00:10.0. Those of
 * the exporters that do not die return 0 or -errno, and do not map the memory.
 */
void dmabuf_test_load(void);
void dmabuf_test_parameter(const char *name, const char *value);
int dmabuf_try_pages(struct dmabuf *buf, size_t size, unsigned int order);
int dmabuf_try_bar(struct dmabuf *buf, const char *device, unsigned int bar, uint64_t offset,
		   uint64_t size, unsigned int flags);
void dmabuf_pages(struct dmabuf *buf, size_t size, unsigned int order);
void dmabuf_bar(struct dmabuf *buf, const char *device, unsigned int bar, uint64_t offset,
		uint64_t size, unsigned int flags);
/* The files of its folder in debugfs. Setting returns 0 or -errno. */
unsigned long dmabuf_get(const struct dmabuf *buf, const char *name);
int dmabuf_set(const struct dmabuf *buf, const char *name, unsigned long value);
/* Wait until nothing is attached to it: rings are torn down in the background. */
void dmabuf_settle(const struct dmabuf *buf);

/* Open a block device O_DIRECT | O_RDWR. */
int dev_open(const char *path);

/* A ring with a sparse table of @slots buffers. */
void ring_create(struct io_uring *ring, unsigned int entries, unsigned int flags,
		 unsigned int slots);

/* The extended registration call. Returns what it returns, -errno on failure. */
int regbuf_update(struct io_uring *ring, unsigned int slot,
		  const struct io_uring_regbuf_desc *descs, unsigned int nr, uint64_t *tags);
int regbuf_dmabuf(struct io_uring *ring, unsigned int slot, int dmabuf_fd, int target_fd);

/* Prepare an I/O. Returns what is going to be submitted, for more to be set in it. */
struct io_uring_sqe *sqe_rw(struct io_uring *ring, bool write, int fd, unsigned int slot,
			    uint64_t buf_offset, unsigned int len, uint64_t dev_offset,
			    unsigned int sqe_flags);

/* One I/O from submission to completion. Returns the completion's result. */
int do_rw(struct io_uring *ring, bool write, int fd, unsigned int slot, uint64_t buf_offset,
	  unsigned int len, uint64_t dev_offset, unsigned int sqe_flags);

/* A pattern in which no two aligned words of a buffer are alike. */
void fill(void *buf, size_t len, uint64_t seed);

/* The independent path: ordinary memory, pread and pwrite. */
void dev_pread(int fd, void *buf, size_t len, off_t pos);
void dev_pwrite(int fd, const void *buf, size_t len, off_t pos);
void *aligned(size_t len);

/* What the test made is gone, and all of its dma-bufs with it. To be called last. */
void nothing_left(void);

/* The time, from any start. */
uint64_t now_ms(void);

/* A sequence that its seed decides; the seed must not be 0. */
uint64_t next_random(uint64_t *state);

/* Write text into a sysfs file. Returns 0 or -errno. */
int sysfs_write(const char *path, const char *text);

#endif
