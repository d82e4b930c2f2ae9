/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine's options: what they are called, what they mean, and what cannot work.
 */
#ifndef FIO_DMABUF_OPTIONS_H
#define FIO_DMABUF_OPTIONS_H

#include "compat.h"
#include "exporter.h"

enum arm {
	ARM_DMABUF,
	ARM_FIXED,
	ARM_PLAIN,
};

enum exporter_id {
	EXPORTER_UDMABUF,
	EXPORTER_DMA_HEAP,
	EXPORTER_DRM,
	EXPORTER_CUDA,
	EXPORTER_HIP,
	EXPORTER_FD,
};

enum memory_id {
	MEMORY_MEMFD,
	MEMORY_ANON,
	MEMORY_HUGETLB,
	MEMORY_P2PMEM,
};

enum drm_memory_id {
	DRM_MEMORY_SYSTEM,
	DRM_MEMORY_VRAM,
};

/* Options that are numbers, which the engine reads itself. */
enum number_id {
	NUMBER_DMABUF_FD,
	NUMBER_SQPOLL_CPU,
	NUMBER_FORCE_ASYNC,
	NUMBER_EAGAIN_RETRIES,
	NR_NUMBERS,
};

/* As fio fills it in; their order is that of the table. */
struct dmabuf_options {
	struct thread_data *td;		/* fio wants a pointer here, and sets it */
	char *texts[NR_NUMBERS];	/* numbers, as they were written */
	unsigned int arm;
	unsigned int exporter;
	char *heap;
	int dmabuf_fd;			/* or -1 */
	char *drm_device;
	unsigned int drm_memory;
	char *gpu_dev_ids;
	unsigned int hugepages;
	unsigned int memory;
	char *p2pmem_device;
	unsigned int registerfiles;
	unsigned int sqpoll;
	int sqpoll_cpu;			/* or -1 */
	unsigned int hipri;
	int force_async;
	unsigned int nowait;
	int eagain_retries;
	unsigned int poison;
	unsigned int compare;
	char *counters;
	unsigned int jobs;		/* not an option: numjobs, which fio tells the first alone */
	unsigned int checked;		/* not an option: options_check() is content */
};

extern struct fio_option dmabuf_option_table[];

/**
 * moves_data - does the job read or write, or only trim?
 * @td: the job
 *
 * Return: true if it has buffers.
 */
static inline bool moves_data(struct thread_data *td)
{
	return td_read(td) || td_write(td);
}

/**
 * complain - one line for the user, and the errno for fio
 * @td: the job
 * @err: a negative errno
 * @fmt: printf format, no newline
 *
 * Return: 1, which is what fio's hooks return for a failure.
 */
int __attribute__((format(printf, 3, 4)))
complain(struct thread_data *td, int err, const char *fmt, ...);

/**
 * options_check - refuse by name what cannot work
 * @td: the job
 *
 * Before anything is allocated or laid out. Checks a job once, however often it is
 * called, and says what is wrong once for all of numjobs.
 *
 * Return: 0, or 1 after it has said what is wrong.
 */
int options_check(struct thread_data *td);

/**
 * options_arm - the name of the job's arm
 * @o: its options
 *
 * Return: what the user wrote.
 */
const char *options_arm(const struct dmabuf_options *o);

/**
 * options_exporter - the name of the exporter of the job's dma-buf
 * @o: its options
 *
 * Return: what the user wrote, "none" where the arm has no dma-buf.
 */
const char *options_exporter(const struct dmabuf_options *o);

/**
 * options_memory - the name of what the job's pool is made of
 * @o: its options
 *
 * Return: what the user wrote, or what the exporter takes.
 */
const char *options_memory(const struct dmabuf_options *o);

/**
 * options_source - where the job's pool comes from
 * @td: the job
 * @want: set to what the options say of it; the size is left alone
 *
 * Return: the source; never NULL for a job that passed options_check().
 */
const struct exporter *options_source(const struct thread_data *td, struct want *want);

#endif
