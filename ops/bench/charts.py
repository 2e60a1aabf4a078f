def draw(result, folder):
    pass
