// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer's folder in debugfs: what the user sets, and what is counted.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>

#include "internal.h"

static struct dentry *root;

static ssize_t move_write(struct file *file, const char __user *text, size_t len, loff_t *pos)
{
	int ret = buffer_move(file->private_data);

	return ret ?: len;
}

static const struct file_operations move_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= move_write,
};

static int move_every_get(void *data, u64 *ms)
{
	struct buffer *buf = data;

	*ms = READ_ONCE(buf->move_every_ms);
	return 0;
}

static int move_every_set(void *data, u64 ms)
{
	if (ms > INT_MAX)
		return -EINVAL;
	mover_set(data, ms);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(move_every_fops, move_every_get, move_every_set, "%llu\n");

static int errno_get(void *data, u64 *number)
{
	*number = *(u32 *)data;
	return 0;
}

/* What user space may see; the others are the kernel's own. */
static int errno_set(void *data, u64 number)
{
	if (number >= 512)
		return -EINVAL;
	*(u32 *)data = number;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(errno_fops, errno_get, errno_set, "%llu\n");

void knobs_add(struct buffer *buf)
{
	struct dentry *dir;
	char name[12];

	snprintf(name, sizeof(name), "%d", buf->id);
	dir = debugfs_create_dir(name, root);
	buf->dir = dir;
	debugfs_create_file("move", 0200, dir, buf, &move_fops);
	debugfs_create_file("move_every_ms", 0600, dir, buf, &move_every_fops);
	debugfs_create_u32("move_delay_ms", 0600, dir, &buf->move_delay_ms);
	debugfs_create_u32("map_delay_ms", 0600, dir, &buf->map_delay_ms);
	debugfs_create_u32("map_fence_ms", 0600, dir, &buf->map_fence_ms);
	debugfs_create_file("refuse_attach", 0600, dir, &buf->refuse_attach, &errno_fops);
	debugfs_create_file("refuse_map", 0600, dir, &buf->refuse_map, &errno_fops);
	debugfs_create_u32("attached", 0400, dir, &buf->attached);
	debugfs_create_u32("mapped", 0400, dir, &buf->mapped);
	debugfs_create_ulong("maps", 0400, dir, &buf->maps);
	debugfs_create_ulong("unmaps", 0400, dir, &buf->unmaps);
	debugfs_create_ulong("moves", 0400, dir, &buf->moves);
	debugfs_create_ulong("stale", 0400, dir, &buf->stale);
}

void knobs_remove(struct buffer *buf)
{
	debugfs_remove(buf->dir);
}

void __init knobs_init(void)
{
	root = debugfs_create_dir("dmabuf_test", NULL);
}

void knobs_exit(void)
{
	debugfs_remove(root);
}
