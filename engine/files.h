/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files of a job.
 */
#ifndef FIO_DMABUF_FILES_H
#define FIO_DMABUF_FILES_H

#include "job.h"

/**
 * files_open - fio's open_file hook
 * @td: the job
 * @f: the file
 *
 * Before files_prepare() it opens as fio would. After it, a file that is held is given its one
 * descriptor.
 *
 * Return: 0, or nonzero with td->error set.
 */
int files_open(struct thread_data *td, struct fio_file *f);

/**
 * files_close - fio's close_file hook
 * @td: the job
 * @f: the file; stays open where it is held
 *
 * Return: 0, or nonzero with td->error set.
 */
int files_close(struct thread_data *td, struct fio_file *f);

/**
 * files_find - is an open file one of the job's?
 * @td: the job
 * @fd: any descriptor
 *
 * Return: the job's file, or NULL where it is none, or no regular file.
 */
const struct fio_file *files_find(struct thread_data *td, int fd);

/**
 * files_prepare - make the job's targets, and open those that are held
 * @td: the job, with all of its files known
 * @dd: its ring is there; registerfiles=1 registers them
 *
 * Return: 0, or nonzero after it has told the user; files_free() either way.
 */
int files_prepare(struct thread_data *td, struct dmabuf_data *dd);

/**
 * files_free - close what files_prepare() opened, and forget the targets
 * @dd: harmless where there are none; its ring must be gone
 */
void files_free(struct dmabuf_data *dd);

#endif
