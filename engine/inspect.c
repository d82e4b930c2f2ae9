// SPDX-License-Identifier: GPL-2.0-only
/*
 * Did the data arrive?
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "inspect.h"

#define PIECE	512

uint64_t inspect_seed(void)
{
	uint64_t seed;
	struct timespec now;

	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		return seed;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The byte at @i of memory that is filled with @poison. */
static unsigned char poison_byte(uint64_t poison, size_t i)
{
	return ((const unsigned char *)&poison)[i % sizeof(poison)];
}

uint64_t inspect_poison(uint64_t *seq, void *mem, size_t len)
{
	/* the golden ratio's steps visit every value once */
	uint64_t poison = *seq += 0x9e3779b97f4a7c15ULL;
	unsigned char *p = mem;
	size_t i;

	for (i = 0; i + sizeof(poison) <= len; i += sizeof(poison))
		memcpy(p + i, &poison, sizeof(poison));
	for (; i < len; i++)
		p[i] = poison_byte(poison, i);
	return poison;
}

static bool all_poison(uint64_t poison, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != poison_byte(poison, i))
			return false;
	}
	return true;
}

bool inspect_untouched(uint64_t poison, const void *mem, size_t len, size_t *at)
{
	const unsigned char *p = mem;

	for (size_t i = 0; i < len; i += PIECE) {
		size_t piece = len - i < PIECE ? len - i : PIECE;

		/* a short tail may hold the poison's first bytes by chance */
		if (piece < sizeof(poison) && i)
			break;
		if (all_poison(poison, p + i, piece)) {
			*at = i;
			return true;
		}
	}
	return false;
}

static int read_fully(int fd, off_t offset, char *to, size_t len, struct why *why)
{
	while (len) {
		ssize_t n = pread(fd, to, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return why_set(why, -errno, "compare=1: pread of %zu bytes at %lld: %s",
				       len, (long long)offset, strerror(errno));
		if (!n)
			return why_set(why, -EIO, "compare=1: pread at %lld: end of the target",
				       (long long)offset);
		to += n;
		offset += n;
		len -= n;
	}
	return 0;
}

int inspect_compare(int fd, off_t offset, const void *mem, size_t len, void *scratch, size_t *at,
		    struct why *why)
{
	const char *a = mem, *b = scratch;
	int ret;

	ret = read_fully(fd, offset, scratch, len, why);
	if (ret)
		return ret;
	if (!memcmp(mem, scratch, len))
		return 0;
	for (*at = 0; a[*at] == b[*at]; ++*at)
		;
	return 1;
}
