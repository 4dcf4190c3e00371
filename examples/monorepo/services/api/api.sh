#!/bin/sh
. /usr/lib/greet/greet.sh
greet api "I would listen on port $API_PORT"
