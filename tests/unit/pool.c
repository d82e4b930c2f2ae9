// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool is one stretch of memory whatever it is made of: a single buffer where that may be as
 * large, else several, with no unit in two of them, each unit where it belongs, and all of one
 * device. Nothing is left behind.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/memory.h"
#include "engine/pool.h"
#include "tests/unit/check.h"

#define MIB	(1UL << 20)

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void one_piece(const struct exporter *source)
{
	struct pool_shape shape = { .unit = 12288, .nr = 100, .lead = 512, .most = 2 * MIB };
	struct want want = { 0 };
	struct pool pool = { 0 };
	struct why why;

	check(!pool_alloc(&pool, source, want, &shape, &why));
	check(pool.nr_pieces == 1 && pool.cpu == pool.pieces[0].cpu);
	check(pool.size == memory_pages(512 + 100 * 12288));
	for (unsigned int i = 0; i < shape.nr; i++) {
		check(pool_piece(&pool, i) == 0);
		check(pool_unit(&pool, i) == (char *)pool.cpu + 512 + i * shape.unit);
	}
	pool_free(&pool);
}

/* The same bytes through a second mapping of each piece's file: it is where it seems to be. */
static void look_behind(const struct pool *pool, unsigned int nr)
{
	const struct buffer *piece = &pool->pieces[pool_piece(pool, nr)];
	size_t at = (char *)pool_unit(pool, nr) - (char *)piece->cpu;
	unsigned char seen[2];

	if (piece->memfd < 0)
		return;
	check(pread(piece->memfd, &seen[0], 1, at) == 1);
	check(pread(piece->memfd, &seen[1], 1, at + pool->unit - 1) == 1);
	check(seen[0] == (unsigned char)nr && seen[1] == (unsigned char)nr);
}

static void several(const struct exporter *source, const struct pool_shape *shape,
		    unsigned int pieces)
{
	struct want want = { 0 };
	struct pool pool = { 0 };
	struct why why;
	char *at;

	check(!pool_alloc(&pool, source, want, shape, &why));
	check(pool.nr_pieces == pieces);
	check((uintptr_t)pool.cpu % MEMORY_ALIGN == 0);

	at = pool.cpu;
	for (unsigned int i = 0; i < pieces; i++) {
		check(pool.pieces[i].cpu == at && pool.pieces[i].size <= shape->most);
		at += pool.pieces[i].size;
	}
	check(at == (char *)pool.cpu + pool.size);
	check(pool.size >= shape->lead + shape->nr * shape->unit);
	/* all of it is memory, the pieces' ends as well: fio fills it from end to end */
	memset(pool.cpu, 0xff, pool.size);

	at = pool.cpu;
	for (unsigned int i = 0; i < shape->nr; i++) {
		struct buffer *piece = &pool.pieces[pool_piece(&pool, i)];
		char *unit = pool_unit(&pool, i);

		check(unit >= at && unit >= (char *)piece->cpu + shape->lead);
		check(unit + shape->unit <= (char *)piece->cpu + piece->size);
		check((unit - (char *)piece->cpu - shape->lead) % shape->unit == 0);
		memset(unit, i, shape->unit);
		at = unit + shape->unit;
	}
	for (unsigned int i = 0; i < shape->nr; i++)
		look_behind(&pool, i);
	pool_free(&pool);
	check(!pool.cpu && !pool.pieces && !pool.nr_pieces);
}

/* There are descriptors for the first two pieces, but not for the third. */
static void refused(void)
{
	struct pool_shape shape = { .unit = MIB, .nr = 4, .most = MIB };
	struct want want = { 0 };
	struct rlimit old, few;
	struct pool pool = { 0 };
	struct why why = { "" };

	check(!getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	few.rlim_cur = lowest_fd() + 2;
	check(!setrlimit(RLIMIT_NOFILE, &few));
	check(pool_alloc(&pool, &memory_memfd, want, &shape, &why) == -EMFILE);
	check(!strcmp(why.text, "memfd_create: Too many open files"));
	check(!pool.cpu && !pool.pieces && !pool.nr_pieces);
	pool_free(&pool);
	check(!setrlimit(RLIMIT_NOFILE, &old));
}

static unsigned int chosen;	/* of a device's own choice */

/* Memory of some device, a new one each time that none is asked for. */
static int alloc_of_device(struct buffer *buf, const struct want *want, struct why *why)
{
	if (memory_anon.alloc(buf, want, why))
		return -1;
	if (want->drm_device)
		snprintf(buf->node, sizeof(buf->node), "%s", want->drm_device);
	else
		snprintf(buf->node, sizeof(buf->node), "device %u", chosen++);
	return 0;
}

/* All pieces are of the device that was asked for, else of the one that the first is of. */
static void one_device(const char *asked)
{
	struct exporter source = memory_anon;
	struct pool_shape shape = { .unit = MIB, .nr = 3, .most = MIB };
	struct want want = { .drm_device = asked };
	struct pool pool = { 0 };
	struct why why;

	chosen = 0;
	source.alloc = alloc_of_device;
	check(!pool_alloc(&pool, &source, want, &shape, &why));
	check(pool.nr_pieces == 3 && chosen == !asked);
	for (unsigned int i = 0; i < pool.nr_pieces; i++)
		check(!strcmp(pool.pieces[i].node, asked ? asked : "device 0"));
	pool_free(&pool);
}

int main(void)
{
	static const struct pool_shape shapes[] = {
		/* just over; units that divide a piece and ones that do not; an odd lead */
		{ .unit = 4096, .nr = 1025, .most = 4 * MIB },
		{ .unit = MIB, .nr = 4, .most = 4 * MIB },
		{ .unit = MIB, .nr = 13, .most = 4 * MIB },
		{ .unit = 3 * MIB, .nr = 3, .most = 4 * MIB },
		{ .unit = 4096, .nr = 1024, .lead = 512, .most = 4 * MIB },
		{ .unit = 512, .nr = 10000, .lead = 1536, .most = MIB },
		{ .unit = 65536 - 512, .nr = 64, .lead = 2 * MIB, .most = 4 * MIB },
	};
	static const unsigned int pieces[] = { 2, 1, 4, 3, 2, 5, 2 };
	int before = lowest_fd();

	one_piece(&memory_memfd);
	one_piece(&memory_anon);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		several(&memory_memfd, &shapes[i], pieces[i]);
		several(&memory_anon, &shapes[i], pieces[i]);
	}
	refused();
	one_device(NULL);
	one_device("a device");
	check(lowest_fd() == before);
	return 0;
}
