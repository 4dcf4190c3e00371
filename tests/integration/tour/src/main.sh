#!/bin/sh
. /srv/lib/greet.sh
greet "$1"
