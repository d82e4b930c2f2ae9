// SPDX-License-Identifier: GPL-2.0-only
/*
 * Poison that a read did not overwrite is found, wherever it is and however little, and
 * data is not taken for poison; a comparison finds the first byte that differs.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/inspect.h"
#include "tests/unit/check.h"

static unsigned char mem[65536], scratch[65536];

static void poison_found(void)
{
	static const size_t lens[] = { 1, 7, 8, 100, 511, 512, 513, 1000, 4096, 5000, 65536 };
	uint64_t seq = inspect_seed();
	size_t at = 0;

	check(inspect_seed() != seq);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = lens[i];
		uint64_t poison = inspect_poison(&seq, mem, len);

		/* nothing was read */
		check(inspect_untouched(poison, mem, len, &at));
		check(at == 0);

		/* all was read, and it is an earlier poison, as a drive may hold */
		inspect_poison(&seq, mem, len);
		if (len >= 8)
			check(!inspect_untouched(poison, mem, len, &at));
	}
}

static void one_piece_found(void)
{
	uint64_t seq = inspect_seed(), poison;
	size_t at = 0;

	for (size_t piece = 0; piece < sizeof(mem); piece += 512) {
		poison = inspect_poison(&seq, mem, sizeof(mem));
		memset(mem, 0, piece);
		memset(mem + piece + 512, 0, sizeof(mem) - piece - 512);
		check(inspect_untouched(poison, mem, sizeof(mem), &at));
		check(at == piece);
	}
	/* a sector of which one byte arrived is touched */
	for (size_t i = 0; i < 512; i++) {
		poison = inspect_poison(&seq, mem, 512);
		mem[i] ^= 1;
		check(!inspect_untouched(poison, mem, 512, &at));
	}
}

static void compare(void)
{
	int fd = memfd_create("target", 0);
	struct why why;
	size_t at = 0;

	check(fd >= 0);
	for (size_t i = 0; i < sizeof(mem); i++)
		mem[i] = i * 7 + i / 256;
	check(pwrite(fd, mem, sizeof(mem), 4096) == sizeof(mem));
	check(inspect_compare(fd, 4096, mem, sizeof(mem), scratch, &at, &why) == 0);
	check(inspect_compare(fd, 4096 + 512, mem + 512, 512, scratch, &at, &why) == 0);

	mem[12345] ^= 0x10;
	check(inspect_compare(fd, 4096, mem, sizeof(mem), scratch, &at, &why) == 1);
	check(at == 12345);
	mem[sizeof(mem) - 1] ^= 0x80;
	check(inspect_compare(fd, 8192, mem + 4096, 4096, scratch, &at, &why) == 0);

	/* past the end, and a descriptor that is none */
	check(inspect_compare(fd, 4096 + sizeof(mem), mem, 512, scratch, &at, &why) < 0);
	check(strstr(why.text, "end of the target"));
	close(fd);
	check(inspect_compare(fd, 0, mem, 512, scratch, &at, &why) < 0);
	check(strstr(why.text, "pread of 512 bytes at 0: Bad file descriptor"));
}

int main(void)
{
	poison_found();
	one_piece_found();
	compare();
	return 0;
}
