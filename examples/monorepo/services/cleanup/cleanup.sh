#!/bin/sh
# Removes files of orders that nobody has looked at for a week.
old=$(busybox find /tmp -type f -mtime +7 -print -delete | busybox wc -l)
echo "$old files removed"
