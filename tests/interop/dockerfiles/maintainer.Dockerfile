FROM base
MAINTAINER Somebody <some@example.org>
