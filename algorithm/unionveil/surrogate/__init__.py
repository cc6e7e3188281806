"""Generated faces: where they go, how they are blended into a picture, and the generators that draw them."""
