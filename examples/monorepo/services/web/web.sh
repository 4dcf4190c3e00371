#!/bin/sh
cat /srv/pages/index.html
