/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The buffers of a job.
 */
#ifndef FIO_DMABUF_BUFFERS_H
#define FIO_DMABUF_BUFFERS_H

#include "job.h"

/**
 * buffers_alloc - fio's iomem_alloc hook: make the job's pool
 * @td: the job
 * @total: bytes that fio wants; the pool is of as many units of the largest bs as iodepth says
 *
 * Return: 0, or nonzero after it has told the user; pool_free() either way.
 */
int buffers_alloc(struct thread_data *td, size_t total);

/**
 * buffers_place - check that fio's units are in the pool, each in one piece of it
 * @td: the job
 * @dd: its io_us and its pool
 *
 * Moves units apart where the pool is of several pieces. Part of the guard against a fio that has
 * other structures than those that this engine was built with.
 *
 * Return: 0, or nonzero after it has told the user.
 */
int buffers_place(struct thread_data *td, struct dmabuf_data *dd);

/**
 * buffers_register - register the pool as the job's arm wants it
 * @td: the job
 * @dd: its ring, its pool and its targets; told which slot each unit is in
 *
 * Return: 0, or nonzero after it has told the user. What is registered goes with the ring.
 */
int buffers_register(struct thread_data *td, struct dmabuf_data *dd);

#endif
