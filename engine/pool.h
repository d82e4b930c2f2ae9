/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A job's pool: one stretch of memory for the CPU, of one buffer, or of several where one cannot
 * be as large. Knows nothing of fio or io_uring.
 */
#ifndef FIO_DMABUF_POOL_H
#define FIO_DMABUF_POOL_H

#include <stddef.h>

#include "exporter.h"

/**
 * struct pool - a pool
 * @cpu: its CPU view; aligned to 2 MiB
 * @size: of that
 * @pieces: the buffers that it is made of; the view of one follows on that of the one before
 * @nr_pieces: their number
 * @source: where they are from
 * @unit: size of a unit
 * @lead: where in a piece its first unit is
 * @per: units in each piece
 */
struct pool {
	void *cpu;
	size_t size;
	struct buffer *pieces;
	unsigned int nr_pieces;
	const struct exporter *source;
	size_t unit;
	size_t lead;
	unsigned int per;
};

/**
 * struct pool_shape - what a pool is for
 * @unit: size of a unit, which no two pieces share
 * @nr: number of units
 * @lead: bytes before the first one
 * @most: bytes that one piece may have; the source's own limit, if it has one, counts as well
 */
struct pool_shape {
	size_t unit;
	unsigned int nr;
	size_t lead;
	size_t most;
};

/**
 * pool_alloc - make a pool
 * @pool: zeroed
 * @source: where the memory is from
 * @want: which memory; how much of it follows from @shape
 * @shape: what it is for
 * @why: the reason of a failure
 *
 * A piece has room for a unit at least, even where that is more than it may have: the source
 * then says what is wrong.
 *
 * Return: 0, or a negative errno, and the pool is empty.
 */
int pool_alloc(struct pool *pool, const struct exporter *source, struct want want,
	       const struct pool_shape *shape, struct why *why);

/**
 * pool_free - give a pool back
 * @pool: may be empty, and is afterwards
 */
void pool_free(struct pool *pool);

/**
 * pool_piece - the piece that a unit is in
 * @pool: a pool
 * @nr: counts units from 0
 *
 * Return: its number.
 */
static inline unsigned int pool_piece(const struct pool *pool, unsigned int nr)
{
	return nr / pool->per;
}

/**
 * pool_unit - where a unit is
 * @pool: a pool
 * @nr: counts units from 0
 *
 * Return: its address.
 */
static inline void *pool_unit(const struct pool *pool, unsigned int nr)
{
	char *piece = pool->pieces[pool_piece(pool, nr)].cpu;

	return piece + pool->lead + nr % pool->per * pool->unit;
}

#endif
