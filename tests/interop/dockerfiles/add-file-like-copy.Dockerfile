FROM base
ADD a.txt sub/c.txt /added/
