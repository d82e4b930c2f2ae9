// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory is as large as asked for, aligned to 2 MiB, all present and zero; the memfd is
 * sealed as udmabuf wants it; nothing is left behind; what fails says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/exporter.h"
#include "tests/unit/check.h"

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void alloc_and_free(const struct exporter *source, size_t size)
{
	struct want want = { .size = size };
	struct buffer buf = BUFFER_NONE;
	size_t page = sysconf(_SC_PAGESIZE);
	int before = lowest_fd();
	unsigned char *present;
	struct why why;

	check(!source->alloc(&buf, &want, &why));
	check(buf.size >= size && buf.size < size + page && buf.size % page == 0);
	check((uintptr_t)buf.cpu % (2 << 20) == 0);
	check(buf.dmabuf_fd == -1);

	present = malloc(buf.size / page);
	check(present && !mincore(buf.cpu, buf.size, present));
	for (size_t i = 0; i < buf.size / page; i++)
		check(present[i] & 1);
	free(present);
	for (size_t i = 0; i < buf.size; i++)
		check(!((char *)buf.cpu)[i]);
	memset(buf.cpu, 0x5a, buf.size);

	if (source == &memory_memfd) {
		check(fcntl(buf.memfd, F_GET_SEALS) == F_SEAL_SHRINK);
		check(ftruncate(buf.memfd, 0) < 0 && errno == EPERM);
	}
	source->free(&buf);
	check(!buf.cpu && !buf.size && buf.memfd == -1);
	check(lowest_fd() == before);
	source->free(&buf);
}

static void too_much(const struct exporter *source)
{
	struct want want = { .size = 1UL << 60 };
	struct buffer buf = BUFFER_NONE;
	int before = lowest_fd();
	struct why why = { "" };

	check(source->alloc(&buf, &want, &why) < 0);
	check(strstr(why.text, "1152921504606846976 bytes"));
	check(!buf.cpu && buf.memfd == -1 && lowest_fd() == before);
}

/* Where there is none; where there is, it is tested with the kernel that can use it. */
static void no_udmabuf(void)
{
	struct want want = { .size = 4096 };
	struct buffer buf = BUFFER_NONE;
	int before = lowest_fd();
	struct why why = { "" };

	if (!access("/dev/udmabuf", F_OK))
		return;
	check(exporter_udmabuf.alloc(&buf, &want, &why) == -ENOENT);
	check(strstr(why.text, "/dev/udmabuf does not exist: CONFIG_UDMABUF is needed"));
	check(!buf.cpu && buf.memfd == -1 && buf.dmabuf_fd == -1 && lowest_fd() == before);
}

int main(void)
{
	static const size_t sizes[] = { 1, 4096, 4097, 2 << 20, (2 << 20) + 1, 9 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		alloc_and_free(&memory_memfd, sizes[i]);
		alloc_and_free(&memory_anon, sizes[i]);
	}
	too_much(&memory_memfd);
	too_much(&memory_anon);
	no_udmabuf();
	return 0;
}
