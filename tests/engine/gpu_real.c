// SPDX-License-Identifier: GPL-2.0-only
/*
 * CUDA and HIP on a GPU that is there: its memory takes what is copied in through the shadow and
 * gives back that and nothing else, in whole and in part, and is exported as a dma-buf of its size.
 * Needs no drive, and no kernel that has the feature; what one of the two lacks here is said.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "engine/exporter.h"
#include "tests/unit/check.h"

/* No whole number of the GPUs' pages, nor of ours. */
#define SIZE	((5UL << 20) + 1000)
#define POISON	0xa5

/* A byte that tells its place and which pattern it is of; never the poison. */
static unsigned char byte(size_t at, unsigned int pattern)
{
	uint64_t mixed = (at + 1) * 0x9e3779b97f4a7c15ULL * (2 * pattern + 1);
	unsigned char b = mixed >> 56;

	return b == POISON ? 0 : b;
}

static void fill(struct buffer *buf, size_t at, size_t len, unsigned int pattern)
{
	unsigned char *cpu = buf->cpu;

	for (size_t i = at; i < at + len; i++)
		cpu[i] = byte(i, pattern);
}

static void expect(const struct buffer *buf, size_t at, size_t len, unsigned int pattern)
{
	const unsigned char *cpu = buf->cpu;

	for (size_t i = at; i < at + len; i++) {
		if (cpu[i] == byte(i, pattern))
			continue;
		printf("at %zu: %02x, not %02x of pattern %u\n", i, cpu[i], byte(i, pattern),
		       pattern);
		exit(1);
	}
}

static void expect_poison(const struct buffer *buf, size_t at, size_t len)
{
	const unsigned char *cpu = buf->cpu;

	for (size_t i = at; i < at + len; i++)
		check(cpu[i] == POISON);
}

static void in(struct buffer *buf, size_t at, size_t len)
{
	struct why why = { "" };

	if (buf->copier->in(buf, at, len, &why)) {
		printf("copy in of %zu bytes at %zu: %s\n", len, at, why.text);
		exit(1);
	}
	memset(buf->cpu, POISON, buf->size);
}

static void out(struct buffer *buf, size_t at, size_t len)
{
	struct why why = { "" };

	if (buf->copier->out(buf, at, len, &why)) {
		printf("copy out of %zu bytes at %zu: %s\n", len, at, why.text);
		exit(1);
	}
}

static void carry(struct buffer *buf)
{
	const size_t at = 4096 + 512, len = (2UL << 20) + 512, end = at + len;

	fill(buf, 0, buf->size, 0);
	in(buf, 0, buf->size);
	out(buf, 0, buf->size);
	expect(buf, 0, buf->size, 0);

	/* a part of another pattern, and nothing around it */
	fill(buf, 0, buf->size, 1);
	in(buf, at, len);
	out(buf, 0, buf->size);
	expect(buf, 0, at, 0);
	expect(buf, at, len, 1);
	expect(buf, end, buf->size - end, 0);

	memset(buf->cpu, POISON, buf->size);
	out(buf, at, len);
	expect_poison(buf, 0, at);
	expect(buf, at, len, 1);
	expect_poison(buf, end, buf->size - end);
}

/* The kernel says of a dma-buf, and of no other file, who exports it. */
static void exported(const char *name, const struct buffer *buf)
{
	char path[48], line[128], who[64] = "";
	unsigned long long size = 0;
	FILE *f;

	check(buf->dmabuf_fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buf->dmabuf_fd);
	f = fopen(path, "r");
	check(f);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "exp_name: %63s", who);
		sscanf(line, "size: %llu", &size);
	}
	fclose(f);
	check(*who && size >= buf->size);
	check(lseek(buf->dmabuf_fd, 0, SEEK_END) == (off_t)size);
	printf("%s: a dma-buf of %s, %llu bytes\n", name, who, size);
}

/* Is there no such GPU here, or none that can? What has a GPU and fails otherwise is at fault. */
static bool lacking(int err, const struct why *why)
{
	/* CUDA_ERROR_NO_DEVICE and hipErrorNoDevice */
	return err == -ENOENT || err == -ENOSYS || err == -ENODEV || err == -EOPNOTSUPP ||
	       strstr(why->text, "(100)");
}

/* Return: false if it cannot be tried here. */
static bool works(const struct exporter *exporter, struct why *why)
{
	struct want want = { .size = SIZE };
	int fd, err;

	/* twice: nothing of the first is in the way of the second */
	for (int i = 0; i < 2; i++) {
		struct buffer buf = BUFFER_NONE;

		err = exporter->alloc(&buf, &want, why);
		if (!i && err && lacking(err, why))
			return false;
		if (err) {
			printf("%s: %s\n", exporter->name, why->text);
			exit(1);
		}
		check(buf.cpu && buf.copier && buf.size >= SIZE && buf.size < SIZE + (2 << 20));
		fd = buf.dmabuf_fd;
		exported(exporter->name, &buf);
		carry(&buf);
		exporter->free(&buf);
		check(!buf.cpu && !buf.device && buf.dmabuf_fd == -1);
		check(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	}
	return true;
}

int main(void)
{
	struct why cuda = { "" }, hip = { "" };
	bool has_cuda = works(&exporter_cuda, &cuda), has_hip = works(&exporter_hip, &hip);

	if (!has_cuda && !has_hip)
		skip("needs a GPU: cuda: %s; hip: %s", cuda.text, hip.text);
	if (!has_cuda)
		printf("left out: cuda: %s\n", cuda.text);
	if (!has_hip)
		printf("left out: hip: %s\n", hip.text);
	return 0;
}
