FROM base
ENV abc=hello
ENV abc=bye def=$abc
ENV ghi=$abc
