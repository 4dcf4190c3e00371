FROM base
ADD sub /added
