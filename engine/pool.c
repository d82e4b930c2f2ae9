// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool, cut into pieces where it has to be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "pool.h"

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Of several, whole huge pages where they fit, so that each is aligned as well as the first. */
static size_t piece_size(const struct pool *pool, unsigned int units, size_t most)
{
	size_t size = memory_pages(pool->lead + units * pool->unit);
	size_t aligned = (size + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;

	return pool->nr_pieces > 1 && aligned <= most ? aligned : size;
}

/* Pieces are made anywhere, and then moved to follow on each other. */
static int join(struct pool *pool, struct why *why)
{
	size_t at = 0;
	char *cpu;

	if (pool->nr_pieces == 1) {
		pool->cpu = pool->pieces[0].cpu;
		pool->size = pool->pieces[0].size;
		return 0;
	}

	for (unsigned int i = 0; i < pool->nr_pieces; i++)
		at += pool->pieces[i].size;
	cpu = memory_reserve(at);
	if (cpu == MAP_FAILED)
		return why_set(why, -errno, "mmap of %zu bytes of address space: %s", at,
			       strerror(errno));
	/* from now on each piece owns its share of it */
	pool->size = at;
	at = 0;
	for (unsigned int i = 0; i < pool->nr_pieces; i++) {
		struct buffer *piece = &pool->pieces[i];
		void *to;

		to = mremap(piece->cpu, piece->size, piece->size, MREMAP_MAYMOVE | MREMAP_FIXED,
			    cpu + at);
		if (to == MAP_FAILED) {
			int err = -errno;

			munmap(cpu + at, pool->size - at);
			return why_set(why, err, "mremap of %zu bytes: %s", piece->size,
				       strerror(-err));
		}
		piece->cpu = to;
		at += piece->size;
	}
	pool->cpu = cpu;
	return 0;
}

int pool_alloc(struct pool *pool, const struct exporter *source, struct want want,
	       const struct pool_shape *shape, struct why *why)
{
	size_t most = shape->most, fit;
	int ret = 0;

	pool->source = source;
	pool->unit = shape->unit;
	pool->lead = shape->lead;
	if (source->most)
		most = least(most, source->most());
	fit = most > shape->lead ? (most - shape->lead) / shape->unit : 0;
	pool->per = fit ? least(fit, shape->nr) : 1;
	pool->nr_pieces = (shape->nr + pool->per - 1) / pool->per;
	pool->pieces = calloc(pool->nr_pieces, sizeof(*pool->pieces));
	if (!pool->pieces) {
		pool->nr_pieces = 0;
		return why_set(why, -ENOMEM, "no memory");
	}
	for (unsigned int i = 0; i < pool->nr_pieces; i++)
		pool->pieces[i] = BUFFER_NONE;

	for (want.piece = 0; want.piece < pool->nr_pieces && !ret; want.piece++) {
		want.size = piece_size(pool, least(pool->per, shape->nr - want.piece * pool->per),
				       most);
		ret = source->alloc(&pool->pieces[want.piece], &want, why);
		/* whichever device the first is of, the others are not of another */
		if (!ret && !want.drm_device && pool->pieces[0].node[0])
			want.drm_device = pool->pieces[0].node;
	}
	if (!ret)
		ret = join(pool, why);
	if (ret)
		pool_free(pool);
	return ret;
}

void pool_free(struct pool *pool)
{
	for (unsigned int i = 0; i < pool->nr_pieces; i++)
		pool->source->free(&pool->pieces[i]);
	free(pool->pieces);
	memset(pool, 0, sizeof(*pool));
}
