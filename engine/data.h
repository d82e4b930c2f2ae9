/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data of a job's I/O.
 */
#ifndef FIO_DMABUF_DATA_H
#define FIO_DMABUF_DATA_H

#include "job.h"

/**
 * data_prepare - find out what has to be copied and looked at
 * @td: the job
 * @dd: its units are where they stay; copy_in, copy_out and inspect are set
 *
 * Return: 0, or nonzero after it has told the user; data_free() either way.
 */
int data_prepare(struct thread_data *td, struct dmabuf_data *dd);

/**
 * data_free - free what data_prepare() took
 * @dd: harmless where there is nothing
 */
void data_free(struct dmabuf_data *dd);

/**
 * data_overlaps - is other I/O in flight to the same blocks, one of them a write?
 * @dd: the job
 * @io_u: a unit that is about to be queued
 *
 * Such leaves nothing that could be compared.
 */
bool data_overlaps(const struct dmabuf_data *dd, const struct io_u *io_u);

/**
 * data_before - poison and copy what a request needs poisoned and copied
 * @td: the job
 * @dd: its data
 * @io_u: a read or a write that is about to be queued
 *
 * Return: 0, or a negative errno after it has told the user.
 */
int data_before(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u);

/**
 * data_after - copy and look at what a completed request moved
 * @td: the job
 * @dd: its data; mismatches are counted
 * @io_u: its error is set where the data is wrong, or cannot be told
 * @len: how many bytes it moved
 */
void data_after(struct thread_data *td, struct dmabuf_data *dd, struct io_u *io_u, size_t len);

#endif
