// SPDX-License-Identifier: GPL-2.0-only
/*
 * A udmabuf is a dma-buf of the pool's size whose memory is what the CPU view shows; one over
 * the module's limit is refused with the limit, the need and the remedy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/exporter.h"
#include "tests/unit/check.h"

int main(void)
{
	struct want want = { .size = 3 << 20 };
	struct buffer buf = BUFFER_NONE;
	struct why why = { "" };
	char line[96];
	int limit = 0;
	char *view;
	FILE *f;
	int ret;

	ret = exporter_udmabuf.alloc(&buf, &want, &why);
	if (ret)
		skip("%s", why.text);
	check(buf.size == 3 << 20 && buf.dmabuf_fd >= 0);
	check(lseek(buf.dmabuf_fd, 0, SEEK_END) == 3 << 20);
	view = mmap(NULL, buf.size, PROT_READ | PROT_WRITE, MAP_SHARED, buf.dmabuf_fd, 0);
	check(view != MAP_FAILED);
	for (size_t i = 0; i < buf.size; i += 4096)
		memcpy((char *)buf.cpu + i, &i, sizeof(i));
	for (size_t i = 0; i < buf.size; i += 4096)
		check(!memcmp(view + i, &i, sizeof(i)));
	munmap(view, buf.size);
	exporter_udmabuf.free(&buf);
	check(!buf.cpu && buf.memfd == -1 && buf.dmabuf_fd == -1);
	exporter_udmabuf.free(&buf);

	f = fopen("/sys/module/udmabuf/parameters/size_limit_mb", "r");
	if (!f || fscanf(f, "%d", &limit) != 1)
		skip("udmabuf's size_limit_mb cannot be read");
	fclose(f);
	want.size = ((size_t)limit << 20) + 1;
	ret = exporter_udmabuf.alloc(&buf, &want, &why);
	check(ret == -EINVAL);
	snprintf(line, sizeof(line), "one block takes %d MiB, and udmabuf's size_limit_mb is %d",
		 limit + 1, limit);
	check(strstr(why.text, line));
	check(!buf.cpu && buf.memfd == -1 && buf.dmabuf_fd == -1);
	return 0;
}
